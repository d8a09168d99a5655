interface Event {
  readonly atMs: number;
  readonly order: number;
  run: (() => void) | null;
}

/** What is still to happen, in order of time; at the same time, in the order in which it was said. */
export class Timeline {
  nowMs = 0;
  #order = 0;
  /** A binary heap. */
  readonly #events: Event[] = [];

  /** @returns the way to call it off. */
  at(atMs: number, run: () => void): () => void {
    this.#order += 1;
    const event: Event = { atMs: Math.max(atMs, this.nowMs), order: this.#order, run };
    this.#push(event);
    return () => {
      event.run = null;
    };
  }

  after(ms: number, run: () => void): () => void {
    return this.at(this.nowMs + ms, run);
  }

  /** Goes on to the next event, and lets it happen. False where none is left before `untilMs`. */
  advance(untilMs: number): boolean {
    for (;;) {
      const next = this.#events[0];
      if (next === undefined || next.atMs > untilMs) {
        this.nowMs = Math.max(this.nowMs, untilMs);
        return false;
      }
      this.#pop();
      if (next.run === null) continue;
      this.nowMs = next.atMs;
      next.run();
      return true;
    }
  }

  #push(event: Event): void {
    const heap = this.#events;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || isBefore(above, event)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#events;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const left = heap[child];
      const right = heap[child + 1];
      if (left === undefined) break;
      if (right !== undefined && isBefore(right, left)) child += 1;
      const smaller = heap[child];
      if (smaller === undefined || isBefore(last, smaller)) break;
      heap[at] = smaller;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
