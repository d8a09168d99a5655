import { type Clock, systemClock, type Timer } from "../clock.js";

/** The timer waits for so many ticks where the process is woken by other things meanwhile. */
const lazyTicks = 3;
/** Whoever wakes the process every tick comes a little early now and then. */
const nearlyTick = 0.75;

/**
 * The clock by which links are judged. It goes on only while the loop turns: after a pause of the
 * process (a stopped container, a long collection) it has advanced by a tick beyond what it had meant to
 * sleep, and not by the pause, so that peers whose bytes wait unread in the kernel are not taken for silent.
 *
 * It ticks when something else wakes the process: a timer that does so five times a second was a tenth of
 * what an idle member took.
 */
export class TickClock {
  readonly #tickMs: number;
  readonly #clock: Pick<Clock, "monotonicMs" | "after">;
  #now = 0;
  #lastTick = 0;
  /** When something else has woken the process. */
  #awakeAt = Number.NEGATIVE_INFINITY;
  /** When the timer is due. */
  #dueAt = 0;
  #timer: Timer | null = null;
  #onTick: ((now: number) => void) | null = null;

  constructor(tickMs: number, clock: Pick<Clock, "monotonicMs" | "after"> = systemClock) {
    this.#tickMs = tickMs;
    this.#clock = clock;
    this.#lastTick = clock.monotonicMs();
  }

  /** Milliseconds since the start, in steps of a tick. */
  now(): number {
    return this.#now;
  }

  /** The timer holds no process open: sockets and the listener do that. */
  start(onTick: (now: number) => void): void {
    this.#onTick = onTick;
    this.#lastTick = this.#clock.monotonicMs();
    this.#sleep(this.#lastTick, this.#tickMs);
  }

  /** The process is awake: ticks, where it is time. */
  awake(): void {
    this.#awakeAt = this.#clock.monotonicMs();
    this.#tickWhereDue(this.#awakeAt);
  }

  advance(at: number = this.#clock.monotonicMs()): number {
    const asleepMs = Math.max(this.#dueAt - this.#lastTick, this.#tickMs);
    this.#now += Math.min(at - this.#lastTick, asleepMs + this.#tickMs);
    this.#lastTick = at;
    return this.#now;
  }

  stop(): void {
    this.#onTick = null;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #sleep(at: number, ms: number): void {
    this.#dueAt = at + ms;
    this.#timer = this.#clock.after(ms, () => this.#wake()).unref();
  }

  #wake(): void {
    const at = this.#clock.monotonicMs();
    this.#tickWhereDue(at);
    if (this.#onTick === null) return;
    // Whoever has woken the process a moment ago mostly does so again.
    const isBusy = at - this.#awakeAt < this.#tickMs;
    this.#sleep(at, (isBusy ? lazyTicks : 1) * this.#tickMs);
  }

  #tickWhereDue(at: number): void {
    if (at - this.#lastTick >= nearlyTick * this.#tickMs) this.#onTick?.(this.advance(at));
  }
}
