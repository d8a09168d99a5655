/** The only two clocks of a member. */
export interface Clock {
  /** Milliseconds that never go back; for every timeout. */
  monotonicMs(): number;
  /** Seconds since 1970, as the store's times are. */
  wallSec(): number;
}

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallSec: () => Date.now() / 1000,
};
