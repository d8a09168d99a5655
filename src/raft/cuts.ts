import type { Entry } from "../../protocol/log/entry.js";
import { encodeEntryTuple } from "../../protocol/wire/message-codec.js";
import { raftLimits } from "./limits.js";

/**
 * Large entries, cut into the pieces that they are sent in. That takes milliseconds, and receivers may ask for
 * them as often as they like: so much is cut between two ticks, whoever lacks it, and what was cut last is kept
 * for those that ask for the same.
 */
export class Cuts {
  #bytes = 0;
  #last: { readonly entry: Entry; readonly pieces: readonly Uint8Array[] } | null = null;

  static isLarge({ command }: Entry): boolean {
    return command.length >= raftLimits.batchBytesMax;
  }

  /** Whether its pieces are there, or may be made before the next tick. */
  mayServe(entry: Entry): boolean {
    return this.#last?.entry === entry || this.#bytes < raftLimits.pieceBytesMax;
  }

  piecesOf(entry: Entry): readonly Uint8Array[] {
    if (this.#last?.entry !== entry) {
      this.#bytes += entry.command.length;
      this.#last = { entry, pieces: cut(encodeEntryTuple(entry)) };
    }
    return this.#last.pieces;
  }

  /** The loop has had its turn. */
  ticked(): void {
    this.#bytes = 0;
  }

  /** It would stay in memory for as long as nobody is sent another one. */
  forget(): void {
    this.#last = null;
  }
}

function cut(pickle: Uint8Array): Uint8Array[] {
  const size = raftLimits.batchBytesMax;
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < pickle.length; at += size) {
    // A copy: a piece that waits for a slow receiver must not keep all of them in memory.
    pieces.push(new Uint8Array(pickle.subarray(at, at + size)));
  }
  return pieces;
}
