import type { Clock, Timer } from "../../src/clock.js";
import type { Timeline } from "./timeline.js";

/** One run of a member's process, from its start to its end. */
export class Life {
  readonly machine: Machine;
  isOver = false;

  constructor(machine: Machine) {
    this.machine = machine;
  }

  /** Something happens to the process: at once, when it goes on again, or never. */
  enter(run: () => void): void {
    if (this.isOver) return;
    if (this.machine.isPaused) this.machine.backlog.push({ life: this, run });
    else {
      this.machine.touched();
      this.machine.beginTurn();
      run();
    }
  }

  /** The process's clock. Its monotonic time drifts; its wall clock may be wrong, and jump. */
  readonly clock: Clock = {
    monotonicMs: () => this.machine.readClock(),
    wallSec: () => this.machine.wallSec(),
    after: (ms, run) => {
      const cancel = this.#in(ms, run);
      return timerOf(cancel);
    },
    every: (ms, run) => {
      let cancel = () => {};
      const again = () => {
        cancel = this.#in(ms, () => {
          again();
          run();
        });
      };
      again();
      return timerOf(() => cancel());
    },
    soon: (run) => {
      this.#in(this.machine.turnMs, run);
    },
  };

  #in(ms: number, run: () => void): () => void {
    const real = Math.max(0, ms) / this.machine.drift;
    let isCancelled = false;
    const cancel = this.machine.timeline.after(real, () =>
      this.enter(() => {
        if (!isCancelled) run();
      }),
    );
    return () => {
      isCancelled = true;
      cancel();
    };
  }
}

function timerOf(cancel: () => void): Timer {
  const timer: Timer = { cancel, unref: () => timer };
  return timer;
}

/** So often a turn of a process's loop reads the clock in no time. */
const freeReads = 6;

/** A machine's clock, and whether what runs on it runs at all. */
export class Machine {
  readonly timeline: Timeline;
  /** How fast its monotonic clock goes; 1 is right. */
  drift = 1;
  /** How far its wall clock is off, in seconds. */
  wallOffsetSec = 0;
  isPaused = false;
  /**
   * How long the processor works, in milliseconds, between two looks at the clock in one turn of a process's loop:
   * whoever does something until its time is up looks at it over and over. What comes first takes no time.
   */
  workMs = 0;
  /** How long the turn that runs has worked so far. */
  turnMs = 0;
  readonly backlog: { life: Life; run: () => void }[] = [];
  /** Called when a process runs: what it has begun must come to rest before the next event. */
  readonly touched: () => void;
  #sinceMs = 0;
  #monotonicMs = 1_000;
  #reads = 0;

  constructor(timeline: Timeline, touched: () => void) {
    this.timeline = timeline;
    this.touched = touched;
  }

  monotonicMs(): number {
    return this.#monotonicMs + (this.timeline.nowMs - this.#sinceMs) * this.drift;
  }

  beginTurn(): void {
    this.#reads = 0;
    this.turnMs = 0;
  }

  /** A process looks what time it is. */
  readClock(): number {
    this.#reads += 1;
    if (this.#reads > freeReads) {
      this.turnMs += this.workMs;
      this.#monotonicMs += this.workMs;
    }
    return this.monotonicMs();
  }

  wallSec(): number {
    return 1_700_000_000 + this.timeline.nowMs / 1_000 + this.wallOffsetSec;
  }

  setDrift(drift: number): void {
    this.#monotonicMs = this.monotonicMs();
    this.#sinceMs = this.timeline.nowMs;
    this.drift = drift;
  }

  pause(): void {
    this.isPaused = true;
  }

  /** What came meanwhile happens now, in its order. */
  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    const waiting = this.backlog.splice(0);
    // Each by itself, so that the process comes to rest in between as its loop does.
    for (const { life, run } of waiting) this.timeline.after(0, () => life.enter(run));
  }
}
