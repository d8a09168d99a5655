import { DiskThread } from "./disk-thread.js";
import { threadBatches, threadLookMs, threadWindowMs } from "./limits.js";

/** A file's thread, for as long as batches come thick: it takes 9 MiB, which an idle member does without. */
export class BorrowedThread {
  readonly #now: () => number;
  #thread: DiskThread | null = null;
  #isOver = false;
  #windowFrom = Number.NEGATIVE_INFINITY;
  #inWindow = 0;
  #sinceLook = 0;
  #looks: NodeJS.Timeout | null = null;

  /** @param now Milliseconds that never go back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Called for each batch. Null: too few come. */
  forBatch(): DiskThread | null {
    this.#sinceLook += 1;
    if (this.#thread === null && !this.#isOver && this.#comeThick()) this.#begin();
    return this.#thread;
  }

  #begin(): void {
    try {
      this.#thread = DiskThread.take();
    } catch {
      // No thread is to be had (a limit of them, Node's permissions): this file goes on by way of the pool.
      this.#isOver = true;
      return;
    }
    this.#sinceLook = threadBatches;
    this.#looks = setInterval(() => this.look(), threadLookMs).unref();
  }

  #comeThick(): boolean {
    const now = this.#now();
    if (now - this.#windowFrom > threadWindowMs) {
      this.#windowFrom = now;
      this.#inWindow = 0;
    }
    this.#inWindow += 1;
    return this.#inWindow >= threadBatches;
  }

  /** Gives the thread back where few batches have come since the last look. */
  look(): void {
    if (this.#thread?.isBusy === true) return;
    if (this.#sinceLook < threadBatches) this.#giveBack();
    this.#sinceLook = 0;
  }

  /** No batch comes any more, and none is under way. */
  end(): void {
    this.#isOver = true;
    this.#giveBack();
  }

  #giveBack(): void {
    if (this.#looks !== null) clearInterval(this.#looks);
    this.#looks = null;
    this.#windowFrom = Number.NEGATIVE_INFINITY;
    this.#thread?.giveBack();
    this.#thread = null;
  }
}
