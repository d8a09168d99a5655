import { ExpiryIndex, type Placed } from "./expiry-index.js";
import { lifetimesNotedMax } from "./limits.js";
import { type StoredRecord, ttlOf } from "./record.js";

interface Time extends Placed {
  readonly id: string;
  readonly record: StoredRecord;
}

/** When a value that has a time to live is to go. */
export interface Timed {
  /** Seconds of the leader's wall clock; null where that is not asked. */
  wall: Time | null;
  /** Seconds of this member's monotonic clock: its whole time to live has passed here by then. Null: not known. */
  end: Time | null;
}

/**
 * When the values that have a time to live are to go: by the wall clock, and by how long they have been
 * here, by a clock that never jumps. It knows of no clock itself: whoever has one says from time to time
 * what it shows (`note`), and what has come since then begins to live at that time, a little late and
 * never early.
 */
export class Lifetimes {
  readonly #walls = new ExpiryIndex<Time>();
  readonly #ends = new ExpiryIndex<Time>();
  /** Not noted yet, the latest record of each key. */
  readonly #fresh = new Map<string, StoredRecord>();
  /** Some of the fresh ones were there at the last note already. */
  #isBehind = false;
  #size = 0;

  /** Number of values that have a time to live. */
  get size(): number {
    return this.#size;
  }

  /** @param at When the leader may expire it, by its wall clock. */
  add(id: string, record: StoredRecord, at: number): void {
    const wall = { at, place: 0, id, record };
    record.timed = { wall, end: null };
    this.#walls.add(wall);
    this.#fresh.set(id, record);
    this.#size += 1;
  }

  /** To be called for each record that is no longer stored. */
  removed(id: string, record: StoredRecord): void {
    if (record.timed === null) return;
    this.leave(id, record);
    record.timed = null;
    this.#size -= 1;
  }

  /** It is never due, though it is stored. */
  leave(id: string, { timed }: StoredRecord): void {
    if (timed === null) return;
    if (this.#fresh.get(id)?.timed === timed) this.#fresh.delete(id);
    if (timed.wall !== null) this.#walls.remove(timed.wall);
    if (timed.end !== null) this.#ends.remove(timed.end);
  }

  /** @param isLive Whether all that has come since the last note was taken in by the cluster since then. */
  note(nowSec: number, isLive: boolean): void {
    const wasBehind = this.#isBehind;
    this.#isBehind = this.#fresh.size > lifetimesNotedMax;
    const isSeen = isLive && !wasBehind && !this.#isBehind;
    let left = lifetimesNotedMax;
    for (const [id, record] of this.#fresh) {
      if (left === 0) break;
      left -= 1;
      this.#fresh.delete(id);
      const { timed } = record;
      const ttl = ttlOf(record);
      if (timed === null || ttl === null) continue;
      timed.end = { at: nowSec + ttl, place: 0, id, record };
      this.#ends.add(timed.end);
      if (!isSeen || timed.wall === null) continue;
      // It was taken in moments ago: it goes when it has been here for its time, whatever a wall clock says.
      this.#walls.remove(timed.wall);
      timed.wall = null;
    }
  }

  /**
   * Those whose time has come: half of them those that have been here for their time the longest, so that nobody
   * keeps them waiting with values that were over when they came; the other half by the wall clock.
   */
  due(wallSec: number, nowSec: number, max: number): readonly (readonly [StoredRecord, string])[] {
    const due = new Map<StoredRecord, string>();
    const take = (times: readonly Time[]): void => {
      for (const { id, record } of times) if (due.size < max) due.set(record, id);
    };
    take(this.#ends.due(nowSec, Math.ceil(max / 2)));
    take(this.#walls.due(wallSec, max));
    if (due.size < max) take(this.#ends.due(nowSec, max));
    return [...due];
  }

  /** Not due again before these times. */
  postpone({ timed }: StoredRecord, wallSec: number, nowSec: number): void {
    if (timed === null) return;
    if (timed.wall !== null) this.#walls.move(timed.wall, Math.max(timed.wall.at, wallSec));
    if (timed.end !== null) this.#ends.move(timed.end, Math.max(timed.end.at, nowSec));
  }
}
