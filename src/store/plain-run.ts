import type { LogTail } from "./tail-overlay.js";

/**
 * How many entries at the end of the log's tail are known to be plain sets, one judged right after the other.
 * They are known by the last one's command, the very bytes in the log: see TailOverlay.
 */
export class PlainRun {
  #last: Uint8Array | null = null;
  #length = 0;

  /** Whether all entries of the tail are among them. */
  covers(tail: LogTail): boolean {
    const { length } = tail;
    if (length === 0) return true;
    return length <= this.#length && tail.at(length - 1)?.command === this.#last;
  }

  /** A plain set that is to follow a tail which the run covers. */
  add(command: Uint8Array, tail: LogTail): void {
    this.#length = tail.length + 1;
    this.#last = command;
  }

  /** Something else is to follow. */
  end(): void {
    this.#last = null;
    this.#length = 0;
  }
}
