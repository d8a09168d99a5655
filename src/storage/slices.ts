import type { Clock } from "../clock.js";
import { sliceMs } from "./limits.js";

/** Lets the event loop run when the work since the last time took a slice. */
export class Slicer {
  readonly #clock: Clock;
  #startedMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedMs = clock.monotonicMs();
  }

  /** True where it is time to pause. */
  get isDue(): boolean {
    return this.#clock.monotonicMs() - this.#startedMs >= sliceMs;
  }

  async pause(): Promise<void> {
    await new Promise<void>((resolve) => this.#clock.soon(resolve));
    this.#startedMs = this.#clock.monotonicMs();
  }
}
