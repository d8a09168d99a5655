/**
 * The clock by which links are judged. It goes on only while the loop turns: after a pause of the
 * process (a stopped container, a long collection) it has advanced by two ticks and not by the
 * pause, so that peers whose bytes wait unread in the kernel are not taken for silent.
 */
export class TickClock {
  readonly #tickMs: number;
  readonly #monotonicMs: () => number;
  #now = 0;
  #lastTick = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(tickMs: number, monotonicMs: () => number = () => performance.now()) {
    this.#tickMs = tickMs;
    this.#monotonicMs = monotonicMs;
    this.#lastTick = monotonicMs();
  }

  /** Milliseconds since the start, in steps of a tick. */
  now(): number {
    return this.#now;
  }

  /** The timer holds no process open: sockets and the listener do that. */
  start(onTick: (now: number) => void): void {
    this.#lastTick = this.#monotonicMs();
    this.#timer = setInterval(() => onTick(this.advance()), this.#tickMs);
    this.#timer.unref();
  }

  advance(): number {
    const at = this.#monotonicMs();
    this.#now += Math.min(at - this.#lastTick, 2 * this.#tickMs);
    this.#lastTick = at;
    return this.#now;
  }

  stop(): void {
    if (this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
  }
}
