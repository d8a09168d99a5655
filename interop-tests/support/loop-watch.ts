import { appendFileSync, readFileSync } from "node:fs";

/**
 * Loaded into a member before its program (`--import`): tells how long the loop was held, and does
 * nothing else. One line for each hold in the file that QUORATE_LOOP_WATCH names, see loop-holds.ts.
 */

/** How often the loop is looked at: what a look finds beyond this, the loop was held. */
const lookEveryMs = 2;
/** Shorter holds are the loop's ordinary work. */
const toldMsMin = 10;

/** Time that the main thread has had on a processor so far; no other process adds to it. */
function processorMs(): number {
  const line = readFileSync(`/proc/self/task/${process.pid}/schedstat`, "utf8");
  return Number(line.split(" ", 1)[0]) / 1e6;
}

const file = process.env["QUORATE_LOOP_WATCH"];
// Programs that the member starts inherit the environment.
if (file !== undefined && process.argv.includes("run")) {
  let lastMs = performance.now();
  let lastProcessorMs = processorMs();
  setInterval(() => {
    const [nowMs, nowProcessorMs] = [performance.now(), processorMs()];
    const heldMs = nowMs - lastMs - lookEveryMs;
    const workedMs = nowProcessorMs - lastProcessorMs;
    if (Math.max(heldMs, workedMs) >= toldMsMin) {
      appendFileSync(file, `${heldMs.toFixed(1)} ${workedMs.toFixed(1)}\n`);
    }
    [lastMs, lastProcessorMs] = [nowMs, nowProcessorMs];
  }, lookEveryMs).unref();
}
