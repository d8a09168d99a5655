/** How long the loop is held in one go while something works in slices: what is in between is measured. */
export class LoopWatch {
  #lastMs: number;
  #longestMs = 0;
  #next: NodeJS.Immediate;

  /** @param beganMs By the clock of performance.now: when the first step began, which is over now. */
  constructor(beganMs: number) {
    this.#lastMs = beganMs;
    this.#look();
    this.#next = setImmediate(() => this.#again());
  }

  /** @returns the longest step. */
  end(): number {
    clearImmediate(this.#next);
    this.#look();
    return this.#longestMs;
  }

  #again(): void {
    this.#look();
    this.#next = setImmediate(() => this.#again());
  }

  #look(): void {
    const nowMs = performance.now();
    this.#longestMs = Math.max(this.#longestMs, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
  }
}
