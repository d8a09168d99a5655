import type { Entry } from "../../protocol/log/entry.js";
import { raftLimits } from "./limits.js";
import { heldBytes } from "./raft-log.js";

/** Entries that were cut from the log again and still wait for the disk: the log knows nothing of them any more. */
export class DroppedEntries {
  #bytes = 0;
  #cuts = 0;
  /** The write with which all of them are durable. */
  #seq = 0;

  /** So much waits that nothing more is cut before it is stored. */
  get isFull(): boolean {
    return this.#bytes > raftLimits.droppedBytesMax || this.#cuts >= raftLimits.droppedCutsMax;
  }

  /** @param seq Of the write that cuts them. */
  cut(entries: readonly Entry[], durableIndex: number, seq: number): void {
    this.#cuts += 1;
    this.#seq = seq;
    for (const entry of entries) if (entry.index > durableIndex) this.#bytes += heldBytes(entry);
  }

  durable(seq: number): void {
    if (seq < this.#seq) return;
    this.#bytes = 0;
    this.#cuts = 0;
  }
}
