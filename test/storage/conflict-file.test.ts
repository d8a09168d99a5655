import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import {
  journalHeaderBytes,
  parseJournalHeader,
  walkRecords,
} from "../../protocol/files/journal-format.js";
import type { Entry } from "../../protocol/log/entry.js";
import { silentLogger } from "../../src/logger.js";
import { appendBytesMax, conflictBytesMax, conflictFilesMax } from "../../src/storage/limits.js";
import { Storage, type StorageWrite } from "../../src/storage/storage.js";
import { StorageError } from "../../src/storage/storage-error.js";
import { CrashFileSystem, systemError } from "./crash-file-system.js";

/*
 * A leader demands that committed entries go. Nothing is cut before they lie in files of their own,
 * whole, also where the disk is full just then.
 */

const selfAddr = "127.0.0.1:4001";
const base = `/data/${selfAddr}`;
const now = new Date("2026-01-31T23:59:59.123Z");
const ending = ".conflict-2026-01-31T23-59-59-123Z";

function entries(from: number, to: number, term: number): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, at) => {
    return { index: from + at, term, command: new Uint8Array(300).fill((from + at) % 251) };
  });
}

async function opened(fs: CrashFileSystem) {
  const options = { dataDir: "/data", selfAddr, logger: silentLogger, fileSystem: fs };
  return await Storage.open({ ...options, now: () => now });
}

/** A member with a dump up to entry 5 and entries up to 20, of which a leader wants 8 and more gone. */
async function scene() {
  const fs = new CrashFileSystem();
  const { storage } = await opened(fs);
  await storage.write([{ kind: "append", entries: entries(2, 20, 1) }]);
  const [previous, last] = entries(4, 5, 1);
  assert.ok(previous !== undefined && last !== undefined);
  const dump = { last, previous, members: [selfAddr], codeVersion: 0, records: [] };
  await storage.writeDump({ ...dump, records: dump.records.values() });
  await storage.write([{ kind: "compact", keepFrom: 4 }]);
  const kept: (readonly string[])[] = [];
  const ops: StorageWrite[] = [
    {
      ...{ kind: "keep-conflict", entries: entries(8, 20, 1), withDump: true },
      kept: (paths) => kept.push(paths),
    },
    { kind: "truncate", fromIndex: 8 },
    { kind: "append", entries: entries(8, 9, 3) },
  ];
  return { fs, storage, ops, kept };
}

function recordsOf(bytes: Buffer | null): Entry[] {
  assert.ok(bytes !== null);
  const { endOffset, seal } = parseJournalHeader(bytes, crc32);
  assert.equal(seal?.endCrc, crc32(bytes.subarray(journalHeaderBytes, endOffset)));
  const walk = { from: journalHeaderBytes, to: endOffset, termJumpMax: 2 ** 31 };
  return walkRecords(bytes, walk).entries.map(({ index, term, command }) => {
    return { index, term, command: Uint8Array.from(command) };
  });
}

test("the entries lie in a journal of their own, the dump in a copy, in the place of no file", async () => {
  const { fs, storage, ops, kept } = await scene();
  const other = Buffer.from("of a conflict in the same millisecond, before the clock was set back");
  fs.put(`${base}.journal${ending}`, other);
  const dump = fs.read(`${base}.dump`);
  await storage.write(ops);
  const paths = [`${base}.journal${ending}-2`, `${base}.dump${ending}-2`];
  assert.deepEqual(kept, [paths]);
  assert.deepEqual(recordsOf(fs.read(paths[0] ?? "")), entries(8, 20, 1));
  assert.deepEqual(fs.read(paths[1] ?? ""), dump);
  assert.deepEqual(fs.read(`${base}.journal${ending}`), other);
});

test("no room for them: nothing is cut, nothing half is left, and they are kept when there is", async () => {
  for (let failing = 0, isOver = false; !isOver; failing++) {
    assert.ok(failing < 20);
    const { fs, storage, ops, kept } = await scene();
    const before = recordsOf(fs.read(`${base}.journal`));
    let countdown = failing;
    fs.fault = (operation) => {
      if (!["write", "create", "rename"].includes(operation) || kept.length > 0) return;
      if (countdown-- <= 0) throw systemError("ENOSPC");
    };
    const isFull = (error: unknown) => error instanceof StorageError && error.code === "no-space";
    isOver = await storage.write(ops).then(
      () => true,
      (error) => !isFull(error),
    );
    if (isOver) break;
    assert.deepEqual(kept, [], "nobody is told that they are kept");
    assert.deepEqual(recordsOf(fs.read(`${base}.journal`)), before, `operation ${failing}`);
    const half = fs.paths().filter((path) => path.includes("tmp"));
    assert.deepEqual(half, [], `operation ${failing}`);
    if (failing % 2 === 0) {
      // Also where the process dies before there is room.
      fs.fault = null;
      fs.restart(null);
      const { recovered } = await opened(fs);
      assert.deepEqual(recovered.findings, []);
      assert.equal(recovered.entries.at(-1)?.index, 20);
      continue;
    }
    fs.fault = null;
    await storage.write(ops);
    assert.equal(kept.length, 1);
    const [journal = "", dump = ""] = kept[0] ?? [];
    assert.deepEqual(recordsOf(fs.read(journal)), entries(8, 20, 1));
    assert.deepEqual(fs.read(dump), fs.read(`${base}.dump`));
    assert.deepEqual(recordsOf(fs.read(`${base}.journal`)).at(-1), entries(9, 9, 3)[0]);
  }
});

test("entries of many megabytes lie there as they were, in order", async () => {
  const fs = new CrashFileSystem();
  const { storage } = await opened(fs);
  const large = Array.from({ length: 5 }, (_, n) => ({
    ...{ index: n + 2, term: 1, command: new Uint8Array(appendBytesMax / 2).fill(n + 1) },
  }));
  await storage.write([{ kind: "append", entries: large }]);
  const kept: string[] = [];
  const keep = { kind: "keep-conflict" as const, entries: large, withDump: false };
  await storage.write([{ ...keep, kept: (paths) => kept.push(...paths) }]);
  assert.deepEqual(kept, [`${base}.journal${ending}`]);
  const found = recordsOf(fs.read(kept[0] ?? ""));
  assert.deepEqual(
    found.map(({ index, command }) => [index, command.length, command.at(-1)]),
    large.map(({ index, command }) => [index, command.length, command.at(-1)]),
  );
  await storage.close();
});

/** So many of them are there already, of so many bytes each, as the disk tells. */
async function crowded(count: number, bytes: number) {
  const made = await scene();
  const paths = Array.from({ length: count }, (_, at) => `${base}.journal.conflict-${at}`);
  for (const path of paths) made.fs.put(path, Buffer.alloc(16));
  const open = made.fs.open.bind(made.fs);
  made.fs.open = async (path, mode) => {
    const file = await open(path, mode);
    if (paths.includes(path)) file.size = async () => bytes;
    return file;
  };
  return { ...made, paths };
}

for (const [what, count, bytes] of [
  ["files", conflictFilesMax, 16],
  ["bytes", 4, conflictBytesMax / 4],
] as const) {
  test(`as many ${what} of conflicts as are kept: nothing goes before somebody has moved some`, async () => {
    const { fs, storage, ops, kept, paths } = await crowded(count, bytes);
    const before = recordsOf(fs.read(`${base}.journal`));
    await assert.rejects(storage.write(ops), (error) => {
      assert.ok(error instanceof StorageError);
      assert.equal(error.code, "no-space");
      assert.match(error.message, /conflict.*move .* elsewhere/);
      return true;
    });
    assert.deepEqual(kept, []);
    assert.deepEqual(recordsOf(fs.read(`${base}.journal`)), before);
    assert.ok(
      paths.every((path) => fs.read(path) !== null),
      "none of them is deleted",
    );
    await fs.unlink(paths[0] ?? "");
    await storage.write(ops);
    assert.equal(kept.length, 1);
    assert.deepEqual(recordsOf(fs.read(`${base}.journal`)).at(-1), entries(9, 9, 3)[0]);
  });
}
