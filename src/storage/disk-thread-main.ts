import { fdatasyncSync, writeSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { type DiskJobFault, type DiskMemory, type DiskThreadMessage, slot } from "./disk-job.js";

/* The thread's own program: waits for a job, does it, says so, and waits again. See DiskThread. */

const memory = workerData as DiskMemory;
const numbers = new Int32Array(memory.numbers);
const positions = new Float64Array(memory.positions);
const bytes = new Uint8Array(memory.bytes);

/** In this order, and nothing behind what fails. */
function work(): DiskJobFault | null {
  const descriptor = Atomics.load(numbers, slot.descriptor);
  const writes = Atomics.load(numbers, slot.writes);
  let step: DiskJobFault["step"] = "write";
  try {
    for (let at = 0, start = 0; at < writes; at++) {
      const end = start + Atomics.load(numbers, slot.lengths + at);
      let position = positions[at] ?? 0;
      while (start < end) {
        const written = writeSync(descriptor, bytes, start, end - start, position);
        start += written;
        position += written;
      }
    }
    step = "sync";
    fdatasyncSync(descriptor);
    return null;
  } catch (error) {
    const { message, code, errno } = error as NodeJS.ErrnoException;
    return { step, message, code, errno };
  }
}

function say(message: DiskThreadMessage): void {
  parentPort?.postMessage(message);
}

say("ready");
for (let done = 0; ; ) {
  // Woken is not told: the call that wakes may come late, when this job was found without it and is done.
  while (Atomics.load(numbers, slot.job) === done) Atomics.wait(numbers, slot.job, done);
  done = Atomics.load(numbers, slot.job);
  say({ job: done, fault: work() });
}
