import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { markThread } from "./thread-mark.js";

/*
 * Loaded into the thread that writes batches, breaks it on purpose: it says of each batch that it is
 * durable, and makes the sync only then. The trace names it once it has done so.
 */

/** By then whoever waited has told others of it. */
const lateMs = 20;

const { fdatasyncSync } = fs;
const { wait } = Atomics;
const nothing = new Int32Array(new SharedArrayBuffer(4));
let owed: number | null = null;
let isMarked = false;

fs.fdatasyncSync = (descriptor) => {
  owed = descriptor;
};
syncBuiltinESMExports();

/** The thread waits for its next job by this, when it has answered. */
Object.defineProperty(Atomics, "wait", {
  value: (memory: Int32Array, at: number, value: number, timeoutMs?: number) => {
    if (owed !== null) {
      wait(nothing, 0, 0, lateMs);
      syncLate(owed);
      owed = null;
      if (!isMarked) markThread();
      isMarked = true;
    }
    return wait(memory, at, value, timeoutMs);
  },
});

function syncLate(descriptor: number): void {
  try {
    fdatasyncSync(descriptor);
  } catch {
    // Closed meanwhile: nobody waits for it any more.
  }
}
