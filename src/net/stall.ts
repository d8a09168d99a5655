import { stalledBytesMin } from "./limits.js";

/**
 * Whether a member gets on with the message that it has begun. It may take as long as it likes over a large one, but
 * not without end over nothing: while bytes trickle its link counts as up.
 */
export class Stall {
  /** Since when, and behind which byte of the connection; null where no message is begun. */
  #since: { readonly at: number; readonly bytes: number } | null = null;

  /** Nothing has been begun, or we are the ones who wait. */
  clear(): void {
    this.#since = null;
  }

  /**
   * A message is begun and not whole.
   *
   * @param bytes That have come over the connection so far.
   * @returns in words, where fewer than `stalledBytesMin` have come in `msMax`; else null.
   */
  look(bytes: number, now: number, msMax: number): string | null {
    this.#since ??= { at: now, bytes };
    const takenMs = now - this.#since.at;
    if (takenMs <= msMax) return null;
    const came = bytes - this.#since.bytes;
    this.#since = { at: now, bytes };
    if (came >= stalledBytesMin) return null;
    return `${came} bytes of a message in ${Math.round(takenMs)} ms, and not the rest`;
  }
}
