import type { PyDict, PyValue } from "../../protocol/pickle/values.js";
import { keysPerSlice } from "./limits.js";
import { keyOf, type StoredRecord } from "./record.js";

/** A consistent view of the store as of the moment it was begun, read at the reader's pace. */
export interface StoreSnapshot {
  /** Each key with its value dict, once. Throws after `end`. */
  readonly records: IterableIterator<readonly [PyValue, PyDict]>;
  /** The same, with null from time to time where nothing comes for long: for who must not wait for the next one. */
  readonly steps: IterableIterator<readonly [PyValue, PyDict] | null>;
  /** Number of keys that `records` yields in all. */
  readonly size: number;
  /** Lets go of what is kept for the snapshot; to be called always. */
  end(): void;
}

/**
 * Walks the store's own Map while the store changes. A JavaScript Map keeps its order: a changed
 * key stays where it is, a new one goes to the end, and an iterator sees both. The records'
 * positions grow along it, so what lies behind the last position of the beginning is news, and
 * what lies beyond the cursor has not been read yet: the store hands over such a record before it
 * changes or goes. Memory: what changes ahead of the cursor, and no more.
 */
export class SnapshotCursor {
  readonly #lastPosition: number;
  readonly #isGone: (id: string, record: StoredRecord) => boolean;
  readonly #walk: Iterator<[string, StoredRecord]>;
  /** Position up to which the Map has been read. */
  #readUpTo = 0;
  /** The records as they were, of keys that changed or went before they were read. */
  readonly #saved = new Map<string, StoredRecord>();
  #ended = false;

  /** @param isGone Whether a record of them is none of the store's any more. */
  constructor(
    records: ReadonlyMap<string, StoredRecord>,
    lastPosition: number,
    isGone: (id: string, record: StoredRecord) => boolean,
  ) {
    this.#lastPosition = lastPosition;
    this.#isGone = isGone;
    this.#walk = records.entries();
  }

  /** To be called before the stored record of `id` is replaced or removed. */
  save(id: string, record: StoredRecord): void {
    const position = record.position;
    if (position > this.#lastPosition || position <= this.#readUpTo) return;
    if (this.#isGone(id, record)) return;
    if (!this.#saved.has(id)) this.#saved.set(id, record);
  }

  /** Drops what was saved; `records` throws from then on. */
  end(): void {
    this.#ended = true;
    this.#saved.clear();
  }

  *records(): IterableIterator<readonly [PyValue, PyDict]> {
    for (const step of this.steps()) if (step !== null) yield step;
  }

  *steps(): IterableIterator<readonly [PyValue, PyDict] | null> {
    let passedOver = 0;
    for (let step = this.#step(); step !== null; step = this.#step()) {
      const [id, record] = step;
      this.#readUpTo = record.position;
      if (this.#isGone(id, record)) {
        passedOver += 1;
        if (passedOver % keysPerSlice === 0) yield null;
        continue;
      }
      const saved = this.#saved.get(id);
      if (saved !== undefined) this.#saved.delete(id);
      yield pair(id, saved ?? record);
    }
    this.#readUpTo = this.#lastPosition;
    // What is left was removed before it was read (and perhaps set again, behind the end).
    for (const [id, record] of this.#saved) {
      this.#saved.delete(id);
      yield pair(id, record);
      this.#checkOpen();
    }
  }

  #step(): readonly [string, StoredRecord] | null {
    this.#checkOpen();
    const step = this.#walk.next();
    if (step.done === true || step.value[1].position > this.#lastPosition) return null;
    return step.value;
  }

  #checkOpen(): void {
    if (this.#ended) throw new Error("the snapshot has ended");
  }
}

function pair(id: string, record: StoredRecord): readonly [PyValue, PyDict] {
  return [keyOf(id, record), record.toDict()];
}
