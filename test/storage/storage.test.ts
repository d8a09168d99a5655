import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open as openFile, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { ProtocolError } from "../../protocol/errors.js";
import type { Entry } from "../../protocol/log/entry.js";
import { decodePickle } from "../../protocol/pickle/decoder.js";
import { encodePickle } from "../../protocol/pickle/encoder.js";
import { type PyDict, PyFloat, PyTuple, type PyValue } from "../../protocol/pickle/values.js";
import { silentLogger } from "../../src/logger.js";
import { JournalFile } from "../../src/storage/journal-file.js";
import { appendBytesMax } from "../../src/storage/limits.js";
import { type DumpReader, type Recovered, Storage } from "../../src/storage/storage.js";
import { StorageError } from "../../src/storage/storage-error.js";
import { Store } from "../../src/store/store.js";
import { CrashFileSystem, systemError } from "./crash-file-system.js";

const dataLimits = { dataBytesMax: 64 * 1024 * 1024, entryBytesMax: 8 * 1024 * 1024 };

const selfAddr = "127.0.0.1:4001";
const members = [selfAddr, "127.0.0.1:4002", "example.org:4003"];
let dataDir = "";

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "quorate-storage-"));
});
afterEach(async () => {
  await rm(dataDir, { recursive: true });
});

function open(): Promise<{ storage: Storage; recovered: Recovered }> {
  return Storage.open({ dataDir, selfAddr, logger: silentLogger });
}

function entry(index: number, term = 1, length = 300): Entry {
  return { index, term, command: new Uint8Array(length).fill(index % 251) };
}

function entries(from: number, to: number, term = 1): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, at) => entry(from + at, term));
}

function* records(count: number): Generator<readonly [PyValue, PyDict]> {
  for (let n = 0; n < count; n++) {
    const value: PyDict = new Map<PyValue, PyValue>([
      ["value", `wért ${n}`],
      ["updated", new PyFloat(1.5 + n)],
      ["created", new PyFloat(1.5)],
      ["index", n],
    ]);
    yield [`/service/key-${n}`, value];
  }
}

async function readAll(reader: DumpReader, bytes = 65_536): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for (;;) {
    const chunk = await reader.read(bytes);
    if (chunk.length === 0) return Buffer.concat(chunks);
    chunks.push(chunk);
  }
}

function isStorageError(code: string): (error: unknown) => boolean {
  return (error) => error instanceof StorageError && error.code === code;
}

function plain(list: readonly Entry[]): unknown {
  return list.map(({ index, term, command }) => [
    index,
    term,
    Buffer.from(command).toString("hex"),
  ]);
}

describe("Storage on a real disk", () => {
  test("keeps entries, term, vote and commit index over a restart", async () => {
    const first = await open();
    assert.equal(first.recovered.isNew, true);
    assert.deepEqual(plain(first.recovered.entries), [[1, 0, "01"]]);
    await first.storage.write([
      { kind: "meta", term: 3, votedFor: selfAddr },
      { kind: "append", entries: entries(2, 900, 3) },
      { kind: "append", entries: entries(901, 1000, 3) },
    ]);
    await first.storage.write([{ kind: "truncate", fromIndex: 990 }]);
    await first.storage.write([{ kind: "append", entries: entries(990, 995, 4) }]);
    first.storage.saveCommitIndex(993);
    await first.storage.close();
    const { storage, recovered } = await open();
    await storage.close();
    const expected = [...entries(2, 989, 3), ...entries(990, 995, 4)];
    assert.deepEqual(plain(recovered.entries.slice(1)), plain(expected));
    // An entry of term 4 was stored: the vote of term 3 no longer counts.
    assert.deepEqual([recovered.term, recovered.votedFor], [4, null]);
    assert.deepEqual([recovered.commitIndex, recovered.isNew], [993, false]);
    assert.deepEqual(recovered.findings, []);
  });

  test("compacts behind a dump, shrinks the file, and reads the dump back", async () => {
    const { storage } = await open();
    await storage.write([{ kind: "append", entries: entries(2, 9000) }]);
    const before = (await readFile(join(dataDir, `${selfAddr}.journal`))).length;
    assert.equal(await storage.openDump(), null);
    const source = { last: entry(8001), previous: entry(8000), members, codeVersion: 2 };
    await storage.writeDump({ ...source, records: records(2500) });
    const old = await storage.openDump();
    assert(old !== null);
    await storage.write([
      { kind: "compact", keepFrom: 8000 },
      { kind: "append", entries: entries(9001, 9002) },
    ]);
    const later = { ...source, last: entry(9001), previous: entry(9000) };
    await storage.writeDump({ ...later, records: records(1) });
    await storage.write([{ kind: "compact", keepFrom: 9000 }]);
    assert.deepEqual([old.lastIndex, old.lastTerm], [8001, 1]);
    const value = decodePickle(gunzipSync(await readAll(old)));
    await old.close();
    assert(value instanceof PyTuple && value.items[0] instanceof Map);
    const data = value.items[0].get("_KVStoreTTL__data");
    assert(data instanceof Map && data.size === 2500);
    const after = (await readFile(join(dataDir, `${selfAddr}.journal`))).length;
    assert(after < before / 10, `${before} -> ${after}`);
    await storage.close();
    const left = (await readFile(join(dataDir, `${selfAddr}.journal`))).length;
    assert(
      left >= 256 * 1024,
      "room for the next entries of a member that grows its file too little",
    );
    const { recovered, storage: second } = await open();
    await second.close();
    assert.deepEqual(
      recovered.entries.map((e) => e.index),
      [9000, 9001, 9002],
    );
    assert.deepEqual(recovered.dump?.members.toSorted(), members.toSorted());
    assert.equal(recovered.dump?.codeVersion, 2);
    const names = await readdir(dataDir);
    assert.deepEqual(
      names.sort(),
      [".dump", ".journal", ".journal.meta"].map((x) => selfAddr + x),
    );
  });

  test("a dump that follows on another's heels waits for its compaction", async () => {
    const { storage } = await open();
    await storage.write([{ kind: "append", entries: entries(2, 400) }]);
    const dump = (index: number) =>
      storage.writeDump({
        ...{ last: entry(index), previous: entry(index - 1), members, codeVersion: 0 },
        records: records(1),
      });
    await dump(100);
    // Under way together: the second dump is ready while the first is put in place.
    await Promise.all([storage.write([{ kind: "compact", keepFrom: 99 }]), dump(200)]);
    await storage.write([{ kind: "compact", keepFrom: 199 }]);
    // Ready before the compaction that belongs to the first.
    await dump(250);
    await dump(300);
    await storage.write([{ kind: "compact", keepFrom: 249 }]);
    await storage.write([{ kind: "compact", keepFrom: 299 }]);
    await storage.close();
    const { storage: again, recovered } = await open();
    await again.close();
    assert.deepEqual(plain(recovered.entries), plain(entries(299, 400)));
    assert.equal(recovered.dump?.last.index, 300);
    const left = (await readdir(dataDir)).filter((name) => name.includes("tmp"));
    assert.deepEqual(left, []);
  });

  test("installs a received dump and keeps what follows it", async () => {
    const { storage } = await open();
    await storage.write([{ kind: "append", entries: entries(2, 5) }]);
    const source = { last: entry(5), previous: entry(4), members, codeVersion: 0 };
    await storage.writeDump({ ...source, records: records(3) });
    const reader = await storage.openDump();
    assert(reader !== null);
    const bytes = await readAll(reader, 7);
    await reader.close();
    const otherDir = join(dataDir, "other");
    const other = await Storage.open({ dataDir: otherDir, selfAddr, logger: silentLogger });
    const receiver = other.storage.receiveDump(dataLimits);
    for (const at of [0, 100]) await receiver.write(bytes.subarray(at, at === 0 ? 100 : undefined));
    const dump = await receiver.finish();
    assert.equal(Store.fromDump(dump.dump.data).size, 3);
    await other.storage.write([{ kind: "install", dump, keep: [entry(6)] }]);
    await other.storage.write([{ kind: "append", entries: [entry(7)] }]);
    // A compaction that was decided before is of no use any more, and no error.
    await other.storage.write([{ kind: "compact", keepFrom: 3 }]);
    await other.storage.close();
    await storage.close();
    const again = await Storage.open({ dataDir: otherDir, selfAddr, logger: silentLogger });
    await again.storage.close();
    assert.deepEqual(
      again.recovered.entries.map((e) => e.index),
      [4, 5, 6, 7],
    );
    assert.equal(Store.fromDump(again.recovered.dump?.data ?? new Map()).size, 3);
  });

  test("refuses a received dump that is cut or garbage, and leaves nothing behind", async () => {
    const { storage } = await open();
    for (const bytes of [Buffer.from("garbage"), Buffer.alloc(0)]) {
      const receiver = storage.receiveDump(dataLimits);
      await receiver.write(bytes);
      await assert.rejects(receiver.finish(), ProtocolError);
    }
    const large = (bytes: number) =>
      encodePickle(new PyTuple(["x".repeat(bytes), null, null, null]));
    const wide = encodePickle(
      new PyTuple([new PyTuple(new Array<PyValue>(70_000).fill(0)), null, null, null]),
    );
    for (const pickle of [large(33 * 1024 * 1024), wide]) {
      const receiver = storage.receiveDump(dataLimits);
      await receiver.write(gzipSync(pickle));
      await assert.rejects(receiver.finish(), { code: "pickle-limit" });
    }
    const aborted = storage.receiveDump(dataLimits);
    await aborted.write(Buffer.from("x"));
    await aborted.abort();
    const stop = new AbortController();
    const source = { last: entry(5), previous: entry(4), members, codeVersion: 0 };
    const writing = storage.writeDump({ ...source, records: records(200_000) }, stop.signal);
    setTimeout(() => stop.abort(), 5);
    await assert.rejects(writing, { name: "AbortError" });
    assert.deepEqual(
      (await readdir(dataDir)).filter((name) => name.includes("tmp")),
      [],
    );
    await storage.close();
  });

  test("writing and reading a dump of 100,000 keys never holds the event loop", async () => {
    const { storage } = await open();
    await storage.write([{ kind: "append", entries: entries(2, 3) }]);
    let beats = 0;
    const beat = setInterval(() => {
      beats += 1;
    }, 1);
    const source = { last: entry(3), previous: entry(2), members, codeVersion: 0 };
    await storage.writeDump({ ...source, records: records(100_000) });
    const reader = await storage.openDump();
    assert(reader !== null);
    const receiver = storage.receiveDump(dataLimits);
    for (
      let chunk = await reader.read(65_536);
      chunk.length > 0;
      chunk = await reader.read(65_536)
    ) {
      await receiver.write(chunk);
    }
    await reader.close();
    assert.equal(Store.fromDump((await receiver.finish()).dump.data).size, 100_000);
    clearInterval(beat);
    await receiver.abort();
    await storage.close();
    // Done in one piece each, writing and reading would leave it a handful of turns.
    assert(beats > 30, `the loop turned ${beats} times`);
  });

  test("loads 200,000 entries as views of what was read", async () => {
    const { storage } = await open();
    await storage.write([{ kind: "append", entries: entries(2, 200_001) }]);
    await storage.close();
    const { storage: second, recovered } = await open();
    await second.close();
    assert.equal(recovered.entries.length, 200_001);
    const [, a, b] = recovered.entries;
    assert.equal(a?.command.buffer, b?.command.buffer);
  });
});

describe("the lock", () => {
  test("one process at a time; the holder is named; it dies with its process", async () => {
    const { storage } = await open();
    const code = `
      const { Storage } = await import(${JSON.stringify(import.meta.resolve("../../src/storage/storage.js"))});
      const logger = { error() {}, warn() {}, info() {}, debug() {} };
      try {
        await Storage.open({ dataDir: process.argv[1], selfAddr: process.argv[2], logger });
        console.log("open");
        setInterval(() => {}, 1000);
      } catch (error) { console.log(error.code + " " + error.message); }`;
    const run = async () => {
      const child = spawn(process.execPath, ["--input-type=module", "-e", code, dataDir, selfAddr]);
      const [chunk] = await once(child.stdout, "data");
      return { child, said: String(chunk) };
    };
    const refused = await run();
    assert.match(refused.said, new RegExp(`^locked .*process ${process.pid}:`));
    await storage.close();
    const both = await Promise.all([run(), run()]);
    assert.equal(both.filter(({ said }) => said.startsWith("open")).length, 1);
    await assert.rejects(open(), isStorageError("locked"));
    for (const { child } of both) {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    }
    const { storage: next } = await open();
    await next.close();
  });

  test("a program that takes no lock is seen by the open journal", async () => {
    const { storage } = await open();
    await storage.close();
    const journal = join(dataDir, `${selfAddr}.journal`);
    const handle = await openFile(journal);
    const child = spawn("sleep", ["60"], { stdio: [handle.fd, "ignore", "ignore"] });
    await once(child, "spawn");
    await handle.close();
    await assert.rejects(open(), new RegExp(`process ${child.pid}:`));
    child.kill("SIGKILL");
    await once(child, "exit");
    const { storage: next } = await open();
    await next.close();
  });
});

describe("a disk that fails", () => {
  async function opened(): Promise<{ fs: CrashFileSystem; storage: Storage }> {
    const fs = new CrashFileSystem();
    const options = { dataDir: "/d", selfAddr, logger: silentLogger, fileSystem: fs };
    return { fs, storage: (await Storage.open(options)).storage };
  }
  async function reopened(fs: CrashFileSystem): Promise<Recovered> {
    const options = { dataDir: "/d", selfAddr, logger: silentLogger, fileSystem: fs };
    const { storage, recovered } = await Storage.open(options);
    await storage.close();
    return recovered;
  }

  test("no space amid a batch whose first operations cannot be repeated", async () => {
    // What gathers while the disk is full: terms go up, and a leader overrules what we appended.
    for (let failing = 0; failing < 8; failing++) {
      const { fs, storage } = await opened();
      const ops = [
        { kind: "meta", term: 5, votedFor: selfAddr },
        { kind: "append", entries: entries(2, 4, 5) },
        { kind: "meta", term: 6, votedFor: null },
        { kind: "truncate", fromIndex: 3 },
        { kind: "append", entries: entries(3, 5, 6) },
        { kind: "meta", term: 7, votedFor: null },
        { kind: "append", entries: entries(6, 60, 7) },
      ] as const;
      let countdown = failing;
      fs.fault = (operation) => {
        if (operation !== "write" && operation !== "create") return;
        if (countdown-- <= 0) throw systemError("ENOSPC");
      };
      await assert.rejects(storage.write(ops), isStorageError("no-space"), `operation ${failing}`);
      fs.fault = null;
      await storage.write(ops);
      await storage.close();
      const found = await reopened(fs);
      assert.equal(found.term, 7);
      assert.deepEqual(
        found.entries.map(({ term }) => term),
        [0, 5, ...entries(3, 5).map(() => 6), ...entries(6, 60).map(() => 7)],
      );
    }
  });

  test("no space, at each operation: the same write succeeds later, once", async () => {
    for (let failing = 0; failing < 12; failing++) {
      const { fs, storage } = await opened();
      await storage.write([{ kind: "append", entries: entries(2, 3) }]);
      await storage.writeDump({
        last: entry(3),
        previous: entry(2),
        members,
        codeVersion: 0,
        records: records(2),
      });
      let countdown = failing;
      fs.fault = (operation) => {
        if (operation !== "write" && operation !== "create") return;
        if (countdown-- <= 0) throw systemError("ENOSPC");
      };
      const ops = [
        { kind: "meta", term: 2, votedFor: null },
        { kind: "append", entries: entries(4, 40) },
        { kind: "compact", keepFrom: 2 },
        { kind: "append", entries: entries(41, 44) },
      ] as const;
      const failed = await storage.write(ops).then(() => false, isStorageError("no-space"));
      assert.equal(failed, countdown < 0, `operation ${failing}`);
      fs.fault = null;
      if (failed && failing % 2 === 0) {
        // Also where the process dies before there is room again.
        fs.restart(null);
        const found = await reopened(fs);
        assert.equal(found.mustRefetch, false);
        assert.deepEqual(found.findings, []);
        continue;
      }
      await storage.write(ops);
      await storage.close();
      const { entries: found, term } = await reopened(fs);
      assert.deepEqual(plain(found), plain(entries(2, 44)));
      assert.equal(term, 2);
    }
  });

  test("after a failed sync nothing more is written, not even a retry", async () => {
    const { fs, storage } = await opened();
    fs.fault = (operation) => {
      if (operation === "sync") throw systemError("EIO");
    };
    await assert.rejects(
      storage.write([{ kind: "append", entries: entries(2, 3) }]),
      isStorageError("io"),
    );
    fs.fault = null;
    const before = fs.operations;
    await assert.rejects(
      storage.write([{ kind: "append", entries: entries(2, 3) }]),
      isStorageError("io"),
    );
    await assert.rejects(storage.openDump(), isStorageError("io"));
    await storage.close();
    assert.equal(fs.operations, before);
  });

  test("a quota that is used up is lack of space: Node.js has no name for it", async () => {
    const { fs, storage } = await opened();
    fs.fault = () => {
      throw Object.assign(new Error("Unknown system error -122"), {
        ...{ code: "Unknown system error -122", errno: -122 },
      });
    };
    const write = storage.write([{ kind: "append", entries: entries(2, 3) }]);
    await assert.rejects(write, isStorageError("no-space"));
    await assert.rejects(write, /\.journal: the quota is used up \(EDQUOT\)/);
    fs.fault = null;
    await storage.write([{ kind: "append", entries: entries(2, 3) }]);
    await storage.close();
  });

  test("where there is room for the records and not for spare zeros, they are appended", async () => {
    const { fs, storage } = await opened();
    const room = 64 * 1024;
    fs.writeFault = (_path, end) => {
      if (end > room) throw systemError("ENOSPC");
    };
    await storage.write([{ kind: "append", entries: entries(2, 3) }]);
    await storage.write([{ kind: "append", entries: entries(4, 4) }]);
    fs.restart({ pick: () => 0 });
    assert.equal((await reopened(fs)).entries.at(-1)?.index, 4);
  });

  test("a permission that lacks is named", async () => {
    const { fs, storage } = await opened();
    await storage.close();
    fs.fault = () => {
      throw systemError("EACCES");
    };
    await assert.rejects(reopened(fs), isStorageError("permission"));
  });

  test("a journal never passes 4 GiB", async () => {
    const done = () => Promise.resolve();
    const journal = new JournalFile("/j", {
      size: () => Promise.resolve(0),
      read: () => Promise.resolve(new Uint8Array()),
      write: done,
      sync: done,
      truncate: done,
      close: done,
    });
    const huge = Object.defineProperty(new Uint8Array(0), "length", { value: 2 ** 32 - 300 });
    const first = { index: 1, term: 1, command: huge };
    await journal.adopt([first], { crc: 0, lastBatch: new Uint8Array(0) });
    await assert.rejects(journal.append([entry(2)]), isStorageError("no-space"));
  });

  test("one batch is one write of records, one of the header, and one sync", async () => {
    const { fs, storage } = await opened();
    await storage.write([{ kind: "append", entries: entries(2, 3) }]);
    const seen: string[] = [];
    fs.fault = (operation) => seen.push(operation);
    await storage.write([
      { kind: "append", entries: entries(4, 10) },
      { kind: "append", entries: entries(11, 12) },
    ]);
    assert.deepEqual(seen, ["write", "write", "sync"]);
    await storage.close();
  });

  test("what has gathered beyond some megabytes goes in several appends, all of it in the end", async () => {
    const { fs, storage } = await opened();
    const seen: number[] = [];
    fs.fault = (operation) => {
      if (operation === "sync") seen.push(storage.journalBytes);
    };
    const large = (index: number) => ({
      ...{ index, term: 1, command: new Uint8Array(appendBytesMax / 2).fill(index) },
    });
    const ops = Array.from({ length: 5 }, (_, n) => ({
      ...{ kind: "append" as const, entries: [large(n + 2)] },
    }));
    await storage.write(ops);
    assert.equal(seen.length, 3, "two at a time");
    await storage.close();
    const again = await reopened(fs);
    assert.deepEqual(
      again.entries.slice(1).map(({ index, command }) => [index, command.length, command[9]]),
      ops.map(({ entries: [one] }) => [one?.index, appendBytesMax / 2, one?.index]),
    );
  });
});
