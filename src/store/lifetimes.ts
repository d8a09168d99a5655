import { ExpiryIndex } from "./expiry-index.js";
import { lifetimesNotedMax } from "./limits.js";
import { type StoredRecord, ttlOf } from "./record.js";

interface Life {
  /** Seconds of this member's monotonic clock: its whole time to live has passed here by then. */
  readonly endSec: number;
  /** Noted within moments of the time at which the cluster took the value in. */
  readonly isLive: boolean;
}

/**
 * How long the values that have a time to live have been here, by a clock that never jumps. It knows
 * of no clock itself: whoever has one says from time to time what it shows (`note`), and what has come
 * since then begins to live at that time, a little late and never early.
 */
export class Lifetimes {
  readonly #isStored: (id: string, record: StoredRecord) => boolean;
  readonly #ends: ExpiryIndex;
  readonly #lives = new WeakMap<StoredRecord, Life>();
  /** Not noted yet, the latest record of each key. */
  readonly #fresh = new Map<string, StoredRecord>();
  /** Some of the fresh ones were there at the last note already. */
  #isBehind = false;

  constructor(isStored: (id: string, record: StoredRecord) => boolean) {
    this.#isStored = isStored;
    this.#ends = new ExpiryIndex(isStored);
  }

  add(id: string, record: StoredRecord): void {
    this.#fresh.set(id, record);
  }

  /** To be called once for each added record that is no longer stored, after it went. */
  removed(id: string, record: StoredRecord): void {
    if (this.#fresh.get(id) === record) this.#fresh.delete(id);
    else if (this.#lives.has(record)) this.#ends.removed();
  }

  /** @param isLive Whether all that has come since the last note was taken in by the cluster since then. */
  note(nowSec: number, isLive: boolean): void {
    const wasBehind = this.#isBehind;
    this.#isBehind = this.#fresh.size > lifetimesNotedMax;
    let left = lifetimesNotedMax;
    for (const [id, record] of this.#fresh) {
      if (left === 0) break;
      left -= 1;
      this.#fresh.delete(id);
      const ttl = ttlOf(record);
      if (ttl === null || !this.#isStored(id, record)) continue;
      const endSec = nowSec + ttl;
      this.#lives.set(record, { endSec, isLive: isLive && !wasBehind && !this.#isBehind });
      this.#ends.add(id, record, endSec);
    }
  }

  /** It was taken in less than its time to live ago, whatever a wall clock says. */
  isYoung(record: StoredRecord, nowSec: number): boolean {
    const life = this.#lives.get(record);
    return life?.isLive === true && nowSec < life.endSec;
  }

  /** Records that have been here for all of their time to live, in no certain order. */
  over(nowSec: number): { readonly id: string; readonly record: StoredRecord }[] {
    return this.#ends.due(nowSec);
  }
}
