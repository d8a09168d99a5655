/** A time, and where in its index it is. */
export interface Placed {
  at: number;
  /** The index's own. */
  place: number;
}

interface Candidate<T> extends Placed {
  readonly item: T;
}

/**
 * Times as a binary heap with the earliest first, so that a look costs what is asked for and not what there
 * is. Each knows its place, so that it can go at once: nothing is ever sorted, or looked through.
 */
export class ExpiryIndex<T extends Placed> {
  readonly #heap: T[] = [];

  get size(): number {
    return this.#heap.length;
  }

  add(item: T): void {
    this.#rise(item, this.#heap.length);
  }

  /** One that is not here is none. */
  remove(item: T): void {
    const heap = this.#heap;
    if (heap[item.place] !== item) return;
    const last = heap.pop();
    if (last === undefined || last === item) return;
    this.#settle(last, item.place);
  }

  /** One that is not here is none. */
  move(item: T, at: number): void {
    if (this.#heap[item.place] !== item) return;
    item.at = at;
    this.#settle(item, item.place);
  }

  /** Those that are at or before `now`: the earliest first, `max` of them at most. */
  due(now: number, max: number): T[] {
    const due: T[] = [];
    const open = new ExpiryIndex<Candidate<T>>();
    this.#offer(open, 0, now);
    for (let next = open.#heap[0]; next !== undefined && due.length < max; next = open.#heap[0]) {
      open.remove(next);
      const { item } = next;
      due.push(item);
      // A heap: only now can one of these be the next one.
      this.#offer(open, 2 * item.place + 1, now);
      this.#offer(open, 2 * item.place + 2, now);
    }
    return due;
  }

  #offer(open: ExpiryIndex<Candidate<T>>, place: number, now: number): void {
    const item = this.#heap[place];
    if (item !== undefined && item.at <= now) open.add({ at: item.at, place: 0, item });
  }

  /** Puts it where it belongs, from a place that is free. */
  #settle(item: T, place: number): void {
    const parent = this.#heap[(place - 1) >> 1];
    if (place > 0 && parent !== undefined && parent.at > item.at) this.#rise(item, place);
    else this.#sink(item, place);
  }

  #rise(item: T, from: number): void {
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = this.#heap[above];
      if (parent === undefined || parent.at <= item.at) break;
      this.#put(parent, place);
      place = above;
    }
    this.#put(item, place);
  }

  #sink(item: T, from: number): void {
    let place = from;
    for (;;) {
      const below = 2 * place + 1;
      const left = this.#heap[below];
      const right = this.#heap[below + 1];
      if (left === undefined) break;
      const child = right !== undefined && right.at < left.at ? right : left;
      if (child.at >= item.at) break;
      const next = child.place;
      this.#put(child, place);
      place = next;
    }
    this.#put(item, place);
  }

  #put(item: T, place: number): void {
    this.#heap[place] = item;
    item.place = place;
  }
}
