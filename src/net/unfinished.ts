import { unfinishedMsPerKib } from "./limits.js";

/** How long what has come of a message has been waiting for the rest. */
export class Unfinished {
  #since: number | null = null;
  #bytes = 0;

  /** A message is whole: what lies there now is of the next. */
  whole(): void {
    this.#since = null;
  }

  /** So many bytes lie there, of a message that is not whole. */
  holds(bytes: number, now: number): void {
    this.#bytes = bytes;
    if (bytes === 0) this.#since = null;
    else this.#since ??= now;
  }

  /**
   * In words, where it takes longer than `msMax`, and a little more for what has come; else null.
   * Somebody on a slow line gets on, somebody who sends a byte now and then does not.
   */
  overdue(now: number, msMax: number): string | null {
    if (this.#since === null) return null;
    const takenMs = now - this.#since;
    if (takenMs <= msMax + (this.#bytes / 1024) * unfinishedMsPerKib) return null;
    return `${this.#bytes} bytes of a message in ${Math.round(takenMs)} ms, and not the rest`;
  }
}
