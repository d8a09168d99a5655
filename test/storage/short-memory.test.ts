import assert from "node:assert/strict";
import { Transform } from "node:stream";
import { test } from "node:test";
import { silentLogger } from "../../src/logger.js";
import { type Compression, nodeCompression } from "../../src/storage/compression.js";
import { type Recovered, Storage } from "../../src/storage/storage.js";
import { StorageError } from "../../src/storage/storage-error.js";
import { CrashFileSystem } from "./crash-file-system.js";
import { address, kinds, pathOf, quorateFiles } from "./damaged-files.js";

/** Inflates as usual until it is to give something out. */
function failingWith(error: Error): Compression {
  const gunzip = () => new Transform({ transform: (_chunk, _encoding, done) => done(error) });
  return { gzip: () => nodeCompression.gzip(), gunzip };
}

async function reopened(fs: CrashFileSystem, compression: Compression): Promise<Recovered> {
  const folder = { dataDir: "/d", selfAddr: address, logger: silentLogger };
  const { storage, recovered } = await Storage.open({ ...folder, fileSystem: fs, compression });
  await storage.close();
  return recovered;
}

for (const error of [
  new RangeError("Array buffer allocation failed"),
  Object.assign(new RangeError("the size is out of range"), { code: "ERR_OUT_OF_RANGE" }),
  Object.assign(new Error("Failed"), { code: "ERR_MEMORY_ALLOCATION_FAILED" }),
  Object.assign(new Error("insufficient memory"), { code: "Z_MEM_ERROR", errno: -4 }),
]) {
  test(`a start without memory for the dump sets nothing aside: ${error.message}`, async () => {
    const fs = new CrashFileSystem();
    const files = await quorateFiles({ dump: true, close: true });
    for (const kind of kinds) fs.put(pathOf(kind), files[kind] ?? Buffer.alloc(0));
    const before = fs.paths();
    await assert.rejects(reopened(fs, failingWith(error)), (fault) => {
      assert.ok(fault instanceof StorageError, String(fault));
      assert.deepEqual([fault.code, fault.path], ["io", pathOf("dump")]);
      assert.match(fault.message, /memory is short \(ENOMEM\) .* The file is untouched/);
      return true;
    });
    assert.deepEqual(fs.paths(), before, "no file came, and none went");
    const { dump, mustRefetch } = await reopened(fs, nodeCompression);
    assert.ok(dump !== null && !mustRefetch);
  });
}
