import { setImmediate as nextTurn } from "node:timers/promises";
import { sliceMs } from "./limits.js";

/** Lets the event loop run when the work since the last time took a slice. */
export class Slicer {
  #startedMs = performance.now();

  /** True where it is time to pause. */
  get isDue(): boolean {
    return performance.now() - this.#startedMs >= sliceMs;
  }

  async pause(): Promise<void> {
    await nextTurn();
    this.#startedMs = performance.now();
  }
}
