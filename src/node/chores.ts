import type { Clock, Timer } from "../clock.js";

interface Chore {
  readonly ms: number;
  readonly run: () => void;
  dueMs: number;
}

/**
 * What is to be done from time to time, when the member is awake anyway: a timer of its own for each would
 * wake a member that has nothing to do, and to be woken costs it more than the look itself.
 */
export class Chores {
  /** As the given one, but that what it calls every so often waits for the next `awake`. */
  readonly clock: Clock;
  readonly #chores = new Set<Chore>();
  #dueMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.clock = {
      monotonicMs: () => clock.monotonicMs(),
      wallSec: () => clock.wallSec(),
      after: (ms, run) => clock.after(ms, run),
      every: (ms, run) => this.#add({ ms, run, dueMs: clock.monotonicMs() + ms }),
      soon: (run) => clock.soon(run),
    };
  }

  /** Does what is due. To be called as often as the chore that is done most often has to be, or more often. */
  awake(nowMs: number): void {
    if (nowMs < this.#dueMs) return;
    for (const chore of [...this.#chores]) {
      if (nowMs < chore.dueMs || !this.#chores.has(chore)) continue;
      chore.dueMs = nowMs + chore.ms;
      chore.run();
    }
    this.#findDue();
  }

  #add(chore: Chore): Timer {
    this.#chores.add(chore);
    this.#findDue();
    const timer: Timer = {
      cancel: () => {
        this.#chores.delete(chore);
      },
      unref: () => timer,
    };
    return timer;
  }

  #findDue(): void {
    this.#dueMs = Number.POSITIVE_INFINITY;
    for (const { dueMs } of this.#chores) this.#dueMs = Math.min(this.#dueMs, dueMs);
  }
}
