import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { nodeFileSystem } from "../../src/storage/node-file-system.js";

test("a file is closed when what is under way has come to its end, and takes nothing after", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "quorate-handle-"));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, "file");
  const file = await nodeFileSystem.open(path, "create");
  const order: string[] = [];
  const bytes = Buffer.alloc(4 * 1024 * 1024, 7);
  const written = file.write(bytes, 0).then(() => order.push("written"));
  const closed = file.close().then(() => order.push("closed"));
  await assert.rejects(file.write(bytes, 0), /file is closed/);
  await assert.rejects(file.sync(), /file is closed/);
  await file.close();
  await Promise.all([written, closed]);
  assert.deepEqual(order, ["written", "closed"]);
  assert.ok((await readFile(path)).equals(bytes));
});

test("the system's own error codes come through", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "quorate-handle-"));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, "file");
  await assert.rejects(nodeFileSystem.open(path, "read"), { code: "ENOENT" });
  await (await nodeFileSystem.open(path, "create")).close();
  const file = await nodeFileSystem.open(path, "read");
  await assert.rejects(file.write(Buffer.alloc(1), 0), { code: "EBADF" });
  assert.deepEqual(await file.read(0, 100), Buffer.alloc(0));
  await file.close();
});
