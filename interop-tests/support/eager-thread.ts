import { syncBuiltinESMExports } from "node:module";
import workerThreads, { type WorkerOptions } from "node:worker_threads";
import { BorrowedThread } from "../../src/storage/borrowed-thread.js";
import { threadBatches } from "../../src/storage/limits.js";

/*
 * Loaded into a traced member before its own code (`node --import`). Under strace it is ten times slower,
 * and batches would not come thick enough for the thread that writes them. So the first one brings it here;
 * those until it has started, and those of a journal that is made anew, go by way of the pool as ever. The
 * thread says in the trace which one it is.
 */

const { forBatch } = BorrowedThread.prototype;
BorrowedThread.prototype.forBatch = function (this: BorrowedThread) {
  for (let counted = 1; counted < threadBatches; counted++) forBatch.call(this);
  return forBatch.call(this);
};

const isBroken = process.env["BROKEN"] === "thread";
// It is to stay then, however few batches come.
if (isBroken) BorrowedThread.prototype.look = () => {};
const preload = new URL(isBroken ? "early-thread.js" : "marked-thread.js", import.meta.url);
const execArgv = ["--import", preload.href];

class MarkedWorker extends workerThreads.Worker {
  constructor(program: string | URL, options: WorkerOptions = {}) {
    super(program, { ...options, execArgv });
  }
}

Reflect.set(workerThreads, "Worker", MarkedWorker);
syncBuiltinESMExports();
