import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry } from "../../protocol/log/entry.js";
import { silentLogger } from "../../src/logger.js";
import { copyChunkBytes } from "../../src/storage/limits.js";
import { Storage } from "../../src/storage/storage.js";
import { CrashFileSystem } from "./crash-file-system.js";
import { address, pathOf } from "./damaged-files.js";

const pieces = 6;
const recordsAPiece = 8;

/** A journal of some pieces, each of some records. */
async function written(): Promise<{ fs: CrashFileSystem; entries: Entry[] }> {
  const fs = new CrashFileSystem();
  const entries = Array.from({ length: pieces * recordsAPiece }, (_, at) => {
    return { index: at + 2, term: 1, command: Buffer.alloc(copyChunkBytes / recordsAPiece, at) };
  });
  const { storage } = await open(fs);
  await storage.write([{ kind: "append", entries }]);
  await storage.close();
  return { fs, entries };
}

function open(fileSystem: CrashFileSystem) {
  return Storage.open({ dataDir: "/d", selfAddr: address, logger: silentLogger, fileSystem });
}

/** Bytes of memory that the log keeps when it is rid of all but the last two entries. */
async function heldByTheLastTwo(fs: CrashFileSystem, entries: readonly Entry[]): Promise<number> {
  const { storage, recovered } = await open(fs);
  await storage.close();
  assert.deepEqual(
    recovered.entries.slice(1).map(({ index, command }) => [index, [...new Set(command)]]),
    entries.map(({ index, command }) => [index, [command[0]]]),
  );
  const held = new Set(recovered.entries.slice(-2).map(({ command }) => command.buffer));
  return [...held].reduce((sum, { byteLength }) => sum + byteLength, 0);
}

test("the last entries of a journal keep no more of it in memory than a piece each", async () => {
  const { fs, entries } = await written();
  const bytes = await heldByTheLastTwo(fs, entries);
  assert.ok(bytes <= 2 * copyChunkBytes, `${bytes}`);
});

test("nor where another program has made its header, so that all of it is judged", async () => {
  const { fs, entries } = await written();
  fs.read(pathOf("journal"))?.fill(0, 9, 24);
  const bytes = await heldByTheLastTwo(fs, entries);
  assert.ok(bytes <= 2 * copyChunkBytes, `${bytes}`);
});

test("a record that fills little of its piece keeps nothing of the rest", async () => {
  const fs = new CrashFileSystem();
  const { storage } = await open(fs);
  // The piece ends within the second, so that it is read again.
  const sizes = [copyChunkBytes / 2, copyChunkBytes, 10];
  const entries = sizes.map((size, at) => ({
    ...{ index: at + 2, term: 1 },
    command: Buffer.alloc(size, at + 1),
  }));
  await storage.write([{ kind: "append", entries }]);
  await storage.close();
  const { storage: again, recovered } = await open(fs);
  await again.close();
  const held = recovered.entries[1]?.command.buffer.byteLength ?? 0;
  assert.ok(held < copyChunkBytes * 0.6, `${held}`);
  assert.equal(recovered.entries.length, 4);
});
