import { staleDeadlinesMin } from "./limits.js";
import type { StoredRecord } from "./record.js";

interface Deadline {
  /** Seconds of the leader's wall clock. */
  readonly at: number;
  readonly id: string;
  readonly record: StoredRecord;
}

/**
 * The records that have a deadline, as a binary heap with the earliest first, so that a look costs
 * what is due and not what is stored. Records are never changed, so a deadline whose record is no
 * longer the stored one is stale; stale ones stay until they come to the top or outnumber the rest.
 */
export class ExpiryIndex {
  #heap: Deadline[] = [];
  #live = 0;
  readonly #isStored: (id: string, record: StoredRecord) => boolean;

  constructor(isStored: (id: string, record: StoredRecord) => boolean) {
    this.#isStored = isStored;
  }

  /** Number of stored records with a deadline. */
  get size(): number {
    return this.#live;
  }

  add(id: string, record: StoredRecord, at: number): void {
    this.#live += 1;
    this.#push({ at, id, record });
  }

  /** To be called once for each added record that is no longer stored, after it went. */
  removed(): void {
    this.#live -= 1;
    if (this.#heap.length > 2 * this.#live + staleDeadlinesMin) this.#rebuild();
  }

  /** All stored records whose deadline is at or before `nowSec`, in no certain order. */
  due(nowSec: number): Deadline[] {
    for (let top = this.#heap[0]; top !== undefined && top.at <= nowSec; top = this.#heap[0]) {
      if (this.#isLive(top)) break;
      this.#popTop();
    }
    const due: Deadline[] = [];
    const open = [0];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      const deadline = this.#heap[at];
      // A heap: where this one is not due, nothing below it is.
      if (deadline === undefined || deadline.at > nowSec) continue;
      if (this.#isLive(deadline)) due.push(deadline);
      open.push(2 * at + 1, 2 * at + 2);
    }
    return due;
  }

  #isLive(deadline: Deadline): boolean {
    return this.#isStored(deadline.id, deadline.record);
  }

  #rebuild(): void {
    const live = this.#heap.filter((deadline) => this.#isLive(deadline));
    // A sorted array is a heap.
    this.#heap = live.sort((a, b) => a.at - b.at);
  }

  #push(deadline: Deadline): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(deadline);
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = heap[parentAt];
      if (parent === undefined || parent.at <= deadline.at) break;
      heap[at] = parent;
      at = parentAt;
    }
    heap[at] = deadline;
  }

  #popTop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = heap[2 * at + 1];
      const right = heap[2 * at + 2];
      if (left === undefined) break;
      const goesRight = right !== undefined && right.at < left.at;
      const child = goesRight ? right : left;
      if (child.at >= last.at) break;
      heap[at] = child;
      at = 2 * at + (goesRight ? 2 : 1);
    }
    heap[at] = last;
  }
}
