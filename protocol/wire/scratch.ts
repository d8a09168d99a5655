import { Inflater } from "./inflater.js";
import { messageBytesMax, smallMessageBytesMax } from "./limits.js";

/**
 * Memory in which messages are inflated and decoded, one at a time. It is there once for a process,
 * however many connections there are, and nothing of a decoded message refers to it.
 */
export class Scratch {
  readonly inflater = new Inflater();
  #bytesMax: number;
  #bytes: Uint8Array<ArrayBuffer> | null = null;
  #isClaimed = false;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /**
   * The memory, which is the caller's alone until it is released; null while somebody has it.
   *
   * @param bytesMin So much at least: of several members in a process one may take larger messages.
   */
  claim(bytesMin = 0): Uint8Array<ArrayBuffer> | null {
    if (this.#isClaimed) return null;
    this.#isClaimed = true;
    if (bytesMin > this.#bytesMax) {
      this.#bytesMax = bytesMin;
      this.#bytes = null;
    }
    // The system provides a page of it only when it is written to.
    this.#bytes ??= new Uint8Array(this.#bytesMax);
    return this.#bytes;
  }

  release(): void {
    this.#isClaimed = false;
  }
}

/** For messages that are decoded at once. */
export const smallScratch = new Scratch(smallMessageBytesMax);

/** For the large ones of strangers and observers, of which the slices of one are worked on while the rest waits. */
export const strangersScratch = new Scratch(messageBytesMax);

/** The same for members, who must not wait behind bombs. */
export const membersScratch = new Scratch(messageBytesMax);
