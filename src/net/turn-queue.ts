/** Somebody who has more to do than fits one turn of the loop. */
export interface TurnTaker {
  takeTurn(): void;
}

/**
 * Time of the loop, shared out among those who want it: all together get so much of one turn, and
 * those who got none are the first in the next. Timers, disk and the other queues go on in between.
 */
export class TurnQueue {
  readonly #msMax: number;
  /** In the order in which they came. */
  readonly #waiting = new Set<TurnTaker>();
  #spentMs = 0;
  #turn = 0;
  #isScheduled = false;

  /** @param msMax Of one turn, for all together. */
  constructor(msMax: number) {
    this.#msMax = msMax;
  }

  /** Which turn this is: what a taker has spent of an earlier one does not count any more. */
  get turn(): number {
    return this.#turn;
  }

  /** Whether somebody new may begin at once: nobody waits, and there is time left. */
  get isFree(): boolean {
    return this.#waiting.size === 0 && this.hasTime;
  }

  get hasTime(): boolean {
    return this.#spentMs < this.#msMax;
  }

  /**
   * The end of a turn is awaited only where much of its time is spent: whoever handles a heartbeat now and then
   * would wait for it each time, and what little has been spent in several turns counts for one.
   */
  spend(ms: number): void {
    this.#spentMs += ms;
    if (this.#spentMs >= this.#msMax / 2) this.#schedule();
  }

  /** The taker has its turn as soon as those before it had theirs. */
  wait(taker: TurnTaker): void {
    this.#waiting.add(taker);
    this.#schedule();
  }

  leave(taker: TurnTaker): void {
    this.#waiting.delete(taker);
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#next());
  }

  #next(): void {
    this.#isScheduled = false;
    this.#spentMs = 0;
    this.#turn += 1;
    for (const taker of [...this.#waiting]) {
      if (!this.hasTime) break;
      // Whoever has still more to do waits again, behind the others.
      if (this.#waiting.delete(taker)) taker.takeTurn();
    }
    if (this.#waiting.size > 0) this.#schedule();
  }
}
