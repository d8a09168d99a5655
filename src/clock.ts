/** A call that is still to come. */
export interface Timer {
  /** It will not come; nothing happens where it has come already. */
  cancel(): void;
  /** The process need not stay for it. */
  unref(): Timer;
}

/** All that a member knows of time: two clocks, and calls at a later moment. */
export interface Clock {
  /** Milliseconds that never go back; for every timeout. */
  monotonicMs(): number;
  /** Seconds since 1970, as the store's times are. */
  wallSec(): number;
  /** Calls once, `ms` from now or a little later. */
  after(ms: number, run: () => void): Timer;
  /** Calls every `ms` until it is cancelled. */
  every(ms: number, run: () => void): Timer;
  /** Calls in the next turn of the loop, behind the input that waits already. */
  soon(run: () => void): void;
}

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallSec: () => Date.now() / 1000,
  after: (ms, run) => nodeTimer(setTimeout(run, ms)),
  every: (ms, run) => nodeTimer(setInterval(run, ms)),
  soon: (run) => {
    setImmediate(run);
  },
};

/** Node.js clears timeouts and intervals alike. */
function nodeTimer(handle: NodeJS.Timeout): Timer {
  const timer: Timer = {
    cancel: () => clearTimeout(handle),
    unref: () => {
      handle.unref();
      return timer;
    },
  };
  return timer;
}

/** Resolves `ms` from now. The process need not stay for it. */
export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve).unref();
  });
}
