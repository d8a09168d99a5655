import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { silentLogger } from "../../src/logger.js";
import { type Compression, nodeCompression } from "../../src/storage/compression.js";
import { commitIndexRetryMs } from "../../src/storage/limits.js";
import { type DumpReader, type Recovered, Storage } from "../../src/storage/storage.js";
import { StorageError } from "../../src/storage/storage-error.js";
import { CrashFileSystem, systemError } from "./crash-file-system.js";
import { address, entry, pathOf, someRecords } from "./damaged-files.js";

/* A running member reads its journal and its dump back now and then: what the disk has changed since
 * is noticed then, and never written or sent on as if it were the truth. */

function open(
  fs: CrashFileSystem,
  more: { readonly compression?: Compression } = {},
): Promise<{ storage: Storage; recovered: Recovered }> {
  return Storage.open({
    ...{ dataDir: "/d", selfAddr: address, logger: silentLogger, fileSystem: fs, ...more },
  });
}

function entries(from: number, to: number) {
  return Array.from({ length: to - from + 1 }, (_, at) => entry(from + at, 1));
}

function dump(index: number) {
  const [last, previous, members] = [entry(index, 1), entry(index - 1, 1), [address]];
  return { last, previous, members, codeVersion: 0, records: someRecords() };
}

async function running(): Promise<{ fs: CrashFileSystem; storage: Storage }> {
  const fs = new CrashFileSystem();
  const { storage } = await open(fs);
  await storage.write([{ kind: "append", entries: entries(2, 20) }]);
  return { fs, storage };
}

/** Flips a bit in the place, also for those who hold the file open. */
function flip(fs: CrashFileSystem, path: string, at: number): void {
  const bytes = fs.read(path);
  assert(bytes !== null && at < bytes.length);
  bytes[at] = (bytes[at] ?? 0) ^ 0x10;
}

function isDamaged(path: string): (error: unknown) => boolean {
  return (error) =>
    error instanceof StorageError && error.code === "damaged" && error.path.startsWith(path);
}

async function readAll(reader: DumpReader): Promise<number> {
  let bytes = 0;
  try {
    for (;;) {
      const chunk = await reader.read(100);
      if (chunk.length === 0) return bytes;
      bytes += chunk.length;
    }
  } finally {
    await reader.close();
  }
}

const journal = pathOf("journal");

describe("a journal that the disk changes under a running member", () => {
  // In the part that a compaction drops, in the one that it copies, and in the last record.
  for (const at of [100, 500, 740]) {
    for (const kind of ["compact", "truncate"] as const) {
      test(`a ${kind} after a flip at byte ${at} does not seal it anew`, async () => {
        const { fs, storage } = await running();
        await storage.writeDump(dump(10));
        flip(fs, journal, at);
        const before = Buffer.from(fs.read(journal) ?? []);
        const op =
          kind === "compact"
            ? ({ kind, keepFrom: 9 } as const)
            : ({ kind, fromIndex: 19 } as const);
        await assert.rejects(storage.write([op]), isDamaged(journal));
        assert.match(String(storage.failure), /start the member again/);
        assert.equal(await storage.failed, storage.failure);
        assert.deepEqual(fs.read(journal), before);
        await storage.close();
        const { storage: again, recovered } = await open(fs);
        await again.close();
        assert.equal(recovered.mustRefetch, true);
        const [finding] = recovered.findings;
        assert.deepEqual(fs.read(finding?.setAsideTo ?? ""), before);
      });
    }
  }
});

describe("a dump that the disk changes under a running member", () => {
  async function compacted() {
    const { fs, storage } = await running();
    await storage.writeDump(dump(10));
    await storage.write([{ kind: "compact", keepFrom: 9 }]);
    return { fs, storage, path: pathOf("dump") };
  }

  test("a reader that is closed again inflates nothing", async () => {
    let made = 0;
    const compression: Compression = {
      ...nodeCompression,
      gunzip: (pieceBytes) => {
        made += 1;
        return nodeCompression.gunzip(pieceBytes);
      },
    };
    const { fs, storage: first } = await compacted();
    await first.close();
    const { storage } = await open(fs, { compression });
    made = 0;
    const unread = await storage.openDump();
    await unread?.close();
    assert.equal(made, 0);
    const reader = await storage.openDump();
    assert(unread !== null && reader !== null);
    assert((await readAll(reader)) > 0);
    assert.equal(made, 1);
    await storage.close();
  });

  for (const [name, damage] of [
    ["flipped", (fs: CrashFileSystem, path: string) => flip(fs, path, 40)],
    [
      "cut",
      (fs: CrashFileSystem, path: string) =>
        fs.put(path, (fs.read(path) ?? Buffer.alloc(0)).subarray(0, 90)),
    ],
    ["emptied", (fs: CrashFileSystem, path: string) => fs.put(path, new Uint8Array())],
    ["replaced", (fs: CrashFileSystem, path: string) => fs.put(path, Buffer.alloc(300, "x"))],
  ] as const) {
    test(`${name}: its reader never says that it was whole`, async () => {
      const { fs, storage, path } = await compacted();
      const reader = await storage.openDump();
      assert(reader !== null);
      assert((await readAll(reader)) > 0);
      damage(fs, path);
      const damaged = Buffer.from(fs.read(path) ?? []);
      const second = await storage.openDump();
      assert(second !== null);
      await assert.rejects(readAll(second), isDamaged(path));
      assert.deepEqual([storage.needsDump, await storage.openDump()], [true, null]);
      await assert.rejects(storage.readDump(), isDamaged(path));
      // The state is in memory: a dump of the same index takes its place, and it stays beside.
      await storage.writeDump(dump(10));
      assert.equal(storage.needsDump, false);
      const third = await storage.openDump();
      assert(third !== null);
      assert((await readAll(third)) > 0);
      await storage.close();
      const aside = fs.paths().filter((name) => name.startsWith(`${path}.damaged-`));
      assert.deepEqual(
        aside.map((name) => fs.read(name)),
        [damaged],
      );
      const { storage: again, recovered } = await open(fs);
      await again.close();
      assert.deepEqual([recovered.mustRefetch, recovered.dump?.last.index], [false, 10]);
    });
  }

  test("a newer dump takes its place as well, and it stays beside", async () => {
    const { fs, storage, path } = await compacted();
    flip(fs, path, 40);
    const reader = await storage.openDump();
    assert(reader !== null);
    await assert.rejects(readAll(reader), isDamaged(path));
    await storage.writeDump(dump(15));
    await storage.write([{ kind: "compact", keepFrom: 14 }]);
    await storage.close();
    assert(fs.paths().some((name) => name.startsWith(`${path}.damaged-`)));
    const { storage: again, recovered } = await open(fs);
    await again.close();
    assert.deepEqual([recovered.mustRefetch, recovered.dump?.last.index], [false, 15]);
  });
});

describe("what no caller waits for", () => {
  test("a disk that fails while the commit index is stored is told of", async () => {
    const { fs, storage } = await running();
    fs.fault = (operation, path) => {
      if (operation === "sync" && path.endsWith(".tmp")) throw systemError("EIO");
    };
    // The storage's own timers keep no process alive.
    const alive = setInterval(() => {}, 1000);
    storage.saveCommitIndex(20);
    const error = await storage.failed;
    clearInterval(alive);
    assert.equal(error.code, "io");
    assert.match(error.message, /journal\.meta: .*EIO.*start the member again/);
    await storage.close();
  });
});

describe("a commit index that cannot be stored for now", () => {
  for (const [name, failing] of [
    ["for want of descriptors", { operation: "create", code: "EMFILE" }],
    ["of the whole system", { operation: "create", code: "ENFILE" }],
    ["for those of its folder", { operation: "syncDirectory", code: "EMFILE" }],
    ["for want of room", { operation: "create", code: "ENOSPC" }],
  ] as const) {
    test(`${name}: it is stored later, and all else goes on`, async (t) => {
      const lines: string[] = [];
      const logger = { ...silentLogger, error: (line: string) => void lines.push(line) };
      const fs = new CrashFileSystem();
      t.mock.timers.enable({ apis: ["setTimeout"] });
      const { storage } = await Storage.open({
        ...{ dataDir: "/d", selfAddr: address, logger, fileSystem: fs },
      });
      await storage.write([{ kind: "append", entries: entries(2, 20) }]);
      let attempts = 0;
      fs.fault = (operation) => {
        if (operation !== failing.operation) return;
        attempts += 1;
        throw systemError(failing.code);
      };
      storage.saveCommitIndex(20);
      for (let n = 0; n < 3; n += 1) {
        t.mock.timers.tick(commitIndexRetryMs);
        for (let turn = 0; turn < 20; turn += 1) await nextTurn();
      }
      assert.ok(attempts >= 1);
      assert.deepEqual([storage.failure, lines.length], [null, 1]);
      assert.match(lines.join(), /journal\.meta: .*(EMFILE|ENFILE|ENOSPC)/);
      await storage.write([{ kind: "append", entries: entries(21, 22) }]);
      fs.fault = null;
      storage.saveCommitIndex(21);
      t.mock.timers.tick(commitIndexRetryMs);
      for (let turn = 0; turn < 20; turn += 1) await nextTurn();
      fs.restart(null);
      t.mock.timers.reset();
      const { storage: again, recovered } = await open(fs);
      await again.close();
      assert.equal(recovered.commitIndex, 21);
    });
  }
});

describe("what the storage works on", () => {
  test("is known amid each operation", async () => {
    const { fs, storage } = await running();
    const seen = new Set<string>();
    fs.fault = () => seen.add(storage.worksOn);
    const during = async (work: () => Promise<void>) => {
      seen.clear();
      await work();
      return [...seen];
    };
    const files = {
      append: await during(() => storage.write([{ kind: "append", entries: entries(21, 22) }])),
      meta: await during(() => storage.write([{ kind: "meta", term: 3, votedFor: null }])),
      cut: await during(() => storage.write([{ kind: "truncate", fromIndex: 22 }])),
    };
    assert.deepEqual(files, {
      append: [journal],
      meta: [pathOf("journal.meta")],
      cut: [journal],
    });
    await storage.writeDump(dump(10));
    const compacting = await during(() => storage.write([{ kind: "compact", keepFrom: 9 }]));
    assert.deepEqual(compacting, [`${journal}.quorate-tmp`]);
    fs.fault = null;
    await storage.close();
  });
});

describe("a start that comes to no end", () => {
  test("a damaged meta of PySyncObj's still counts as a lost vote after it was set aside", async () => {
    for (let stopAfter = 0; stopAfter < 14; stopAfter++) {
      const fs = new CrashFileSystem();
      const { storage } = await open(fs);
      await storage.write([{ kind: "append", entries: entries(2, 5) }]);
      await storage.close();
      const bytes = Buffer.from(fs.read(journal) ?? []);
      // Nothing that Quorate alone writes: a journal without a seal, as PySyncObj leaves it.
      bytes.fill(0, 9, 24);
      fs.put(journal, bytes);
      fs.put(pathOf("journal.meta"), Buffer.from("garbage"));
      fs.stopAfter = fs.operations + stopAfter;
      await open(fs).catch(() => {});
      fs.restart({ pick: (limit) => limit - 1 });
      const { recovered } = await open(fs);
      assert.equal(recovered.mustRefetch, true, `stopped after ${stopAfter}`);
      assert.equal(recovered.entries.length, 5);
      const aside = fs.paths().filter((name) => name.includes(".meta.damaged-"));
      assert.deepEqual(
        aside.map((name) => String(fs.read(name))),
        ["garbage"],
      );
    }
  });
});

test("a dump that is put in place while it is opened is read all the same", async () => {
  const { fs, storage } = await running();
  await storage.writeDump(dump(9));
  const open = fs.open.bind(fs);
  let isFirst = true;
  fs.open = async (path, mode) => {
    if (isFirst && mode === "read") {
      isFirst = false;
      await storage.write([{ kind: "compact", keepFrom: 8 }]);
    }
    return await open(path, mode);
  };
  assert.equal((await storage.readDump())?.last.index, 9);
  assert.equal(isFirst, false);
  await storage.close();
});
