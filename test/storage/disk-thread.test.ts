import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { BorrowedThread } from "../../src/storage/borrowed-thread.js";
import {
  type DiskMemory,
  type DiskThreadMessage,
  diskJobBytesMax,
  diskJobWritesMax,
  slot,
} from "../../src/storage/disk-job.js";
import { DiskThread } from "../../src/storage/disk-thread.js";
import { FailedSync, type PlacedBytes } from "../../src/storage/file-system.js";
import { threadBatches, threadWindowMs } from "../../src/storage/limits.js";
import { NodeFileHandle } from "../../src/storage/node-file-handle.js";
import { nodeFileSystem } from "../../src/storage/node-file-system.js";

const small = [{ bytes: Buffer.from("x"), position: 0 }];

async function readyThread(t: TestContext): Promise<DiskThread> {
  const thread = DiskThread.take();
  t.after(() => thread.giveBack());
  while (!thread.canDo(small)) await sleep(5);
  return thread;
}

async function newFile(t: TestContext, content = ""): Promise<{ path: string; fd: number }> {
  const folder = await mkdtemp(join(tmpdir(), "quorate-thread-"));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, "file");
  await writeFile(path, content);
  return { path, ...opened(t, path) };
}

function opened(t: TestContext, path: string): { fd: number } {
  const fd = openSync(path, "r+");
  t.after(() => closeSync(fd));
  return { fd };
}

function done(thread: DiskThread, fd: number, writes: readonly PlacedBytes[]): Promise<void> {
  return new Promise((resolve, reject) => {
    thread.writeThenSync(fd, writes, (error) => (error === null ? resolve() : reject(error)));
  });
}

test("writes go where they belong, the later over the earlier, job after job", async (t) => {
  const thread = await readyThread(t);
  const { path, fd } = await newFile(t, "................");
  await done(thread, fd, [
    { bytes: Buffer.from("abcdef"), position: 4 },
    { bytes: Buffer.from("XY"), position: 0 },
    { bytes: Buffer.from("Z"), position: 5 },
  ]);
  assert.equal(await readFile(path, "utf8"), "XY..aZcdef......");
  await done(thread, fd, [{ bytes: Buffer.from("01"), position: 14 }]);
  assert.equal(await readFile(path, "utf8"), "XY..aZcdef....01");
});

test("nothing is written behind a write that fails", async (t) => {
  const thread = await readyThread(t);
  const { path, fd } = await newFile(t, "header");
  const beyond = { bytes: Buffer.from("records"), position: Number.MAX_SAFE_INTEGER };
  const writes = [beyond, { bytes: Buffer.from("HEADER"), position: 0 }];
  await assert.rejects(done(thread, fd, writes), { name: "Error", code: "EFBIG" });
  assert.equal(await readFile(path, "utf8"), "header");
  await done(thread, fd, small);
  assert.equal(await readFile(path, "utf8"), "xeader");
});

test("a full disk and a failed sync are told apart", async (t) => {
  const thread = await readyThread(t);
  const full = done(thread, opened(t, "/dev/full").fd, small);
  await assert.rejects(full, { name: "Error", code: "ENOSPC" });
  const unsynced = done(thread, opened(t, "/dev/null").fd, small);
  await assert.rejects(unsynced, (error) => {
    assert.ok(error instanceof FailedSync && error.cause instanceof Error);
    assert.ok("code" in error.cause && "errno" in error.cause);
    assert.equal(error.cause.code, "EINVAL");
    return true;
  });
});

test("a call that wakes it late has it do nothing twice", async (t) => {
  const { path, fd } = await newFile(t, "first");
  const memory: DiskMemory = {
    numbers: new SharedArrayBuffer(4 * (slot.lengths + diskJobWritesMax)),
    positions: new SharedArrayBuffer(8 * diskJobWritesMax),
    bytes: new SharedArrayBuffer(diskJobBytesMax),
  };
  const said: DiskThreadMessage[] = [];
  const program = new URL("../../src/storage/disk-thread-main.js", import.meta.url);
  const worker = new Worker(program, { workerData: memory });
  t.after(() => worker.terminate());
  worker.on("message", (message: DiskThreadMessage) => said.push(message));
  while (said.length === 0) await sleep(5);
  const numbers = new Int32Array(memory.numbers);
  numbers[slot.descriptor] = fd;
  numbers[slot.writes] = 1;
  numbers[slot.lengths] = 1;
  new Uint8Array(memory.bytes)[0] = "x".charCodeAt(0);
  Atomics.store(numbers, slot.job, 1);
  Atomics.notify(numbers, slot.job);
  while (said.length === 1) await sleep(5);
  await writeFile(path, "other");
  // It waits on, and is woken three times for nothing.
  for (let woken = 0; woken < 3; ) {
    woken += Atomics.notify(numbers, slot.job);
    await sleep(5);
  }
  assert.deepEqual(said, ["ready", { job: 1, fault: null }]);
  assert.equal(await readFile(path, "utf8"), "other");
});

test("what is too much, or comes while it is at work, is not for the thread", async (t) => {
  const thread = await readyThread(t);
  const { fd } = await newFile(t);
  const large = { bytes: new Uint8Array(diskJobBytesMax + 1), position: 0 };
  assert.equal(thread.canDo([large]), false);
  assert.equal(thread.canDo(Array(diskJobWritesMax + 1).fill(small[0])), false);
  const work = done(thread, fd, small);
  assert.equal(thread.canDo(small), false);
  await work;
  assert.equal(thread.canDo(small), true);
});

test("a file is closed behind what the thread is at, and leaves it to the next one", async (t) => {
  const thread = await readyThread(t);
  thread.giveBack();
  const { path } = await newFile(t);
  for (const value of [1, 2]) {
    const borrowed = new BorrowedThread(() => 0);
    const file = new NodeFileHandle(path, openSync(path, "r+"), borrowed);
    for (let batch = 1; batch < threadBatches; batch++) {
      const written = file.writeThenSync(small);
      assert.equal(thread.isBusy, false);
      await written;
    }
    const bytes = new Uint8Array(diskJobBytesMax).fill(value);
    const order: string[] = [];
    const written = file.writeThenSync([{ bytes, position: 0 }]).then(() => order.push("written"));
    assert.equal(thread.isBusy, true);
    borrowed.look();
    const closed = file.close().then(() => order.push("closed"));
    await assert.rejects(file.writeThenSync(small), /file is closed/);
    await Promise.all([written, closed]);
    assert.deepEqual(order, ["written", "closed"]);
    assert.ok((await readFile(path)).equals(bytes));
  }
});

test("a file has a thread while batches come thick", () => {
  let now = 0;
  const borrowed = new BorrowedThread(() => now);
  const batches = (count: number) => {
    for (let batch = 1; batch < count; batch++) borrowed.forBatch();
    return borrowed.forBatch();
  };
  assert.equal(batches(threadBatches - 1), null);
  now += threadWindowMs + 1;
  assert.equal(batches(threadBatches - 1), null);
  const thread = borrowed.forBatch();
  assert.ok(thread instanceof DiskThread);
  borrowed.look();
  assert.equal(batches(threadBatches), thread);
  borrowed.look();
  assert.equal(batches(threadBatches - 1), thread);
  borrowed.look();
  assert.equal(borrowed.forBatch(), null);
  assert.equal(batches(threadBatches - 1), thread);
  borrowed.end();
  assert.equal(batches(threadBatches), null);
});

test("where no thread is to be had the file goes on without", (t) => {
  t.mock.method(DiskThread, "take", () => {
    throw new Error("ERR_WORKER_INIT_FAILED");
  });
  const borrowed = new BorrowedThread(() => 0);
  for (let batch = 0; batch < 3 * threadBatches; batch++) assert.equal(borrowed.forBatch(), null);
});

test("what the thread does not take, the file writes all the same", async (t) => {
  const { path } = await newFile(t);
  const file = await nodeFileSystem.open(path, "update");
  const bytes = new Uint8Array(diskJobBytesMax + 1).fill(7);
  await file.writeThenSync?.([{ bytes, position: 0 }, ...small]);
  await file.close();
  bytes[0] = "x".charCodeAt(0);
  assert.ok((await readFile(path)).equals(bytes));
});
