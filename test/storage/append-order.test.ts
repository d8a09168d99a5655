import assert from "node:assert/strict";
import { test } from "node:test";
import { journalHeaderBytes } from "../../protocol/files/journal-format.js";
import type { Entry } from "../../protocol/log/entry.js";
import { silentLogger } from "../../src/logger.js";
import { Storage } from "../../src/storage/storage.js";
import { CrashFileSystem, systemError } from "./crash-file-system.js";

const selfAddr = "127.0.0.1:4001";

async function opened(): Promise<{ fs: CrashFileSystem; storage: Storage }> {
  const fs = new CrashFileSystem();
  const options = { dataDir: "/d", selfAddr, logger: silentLogger, fileSystem: fs };
  const { storage } = await Storage.open(options);
  await storage.write([{ kind: "append", entries: [entry(2)] }]);
  return { fs, storage };
}

function entry(index: number): Entry {
  return { index, term: 1, command: new Uint8Array(300).fill(index) };
}

test("a batch is its records, then the header that names them, then one sync", async () => {
  const { fs, storage } = await opened();
  const calls: string[] = [];
  fs.fault = (operation) => void (operation === "write" || calls.push(operation));
  fs.writeFault = (_, end) => void calls.push(end <= journalHeaderBytes ? "header" : "records");
  await storage.write([{ kind: "append", entries: [entry(3), entry(4)] }]);
  assert.deepEqual(calls, ["records", "header", "sync"]);
});

test("a sync that fails is never tried again, for lack of space neither", async () => {
  const { fs, storage } = await opened();
  fs.fault = (operation) => {
    if (operation === "sync") throw systemError("ENOSPC");
  };
  const ops = [{ kind: "append", entries: [entry(3)] } as const];
  await assert.rejects(storage.write(ops), { name: "StorageError", code: "io" });
  fs.fault = null;
  await assert.rejects(storage.write(ops), { name: "StorageError", code: "io" });
});
