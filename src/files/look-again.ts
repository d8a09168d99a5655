import { type Clock, systemClock } from "../clock.js";
import { liveAttemptsMax, livePauseMs } from "./limits.js";

/**
 * Looks at files that may be a running member's, again after a pause as long as what is seen may be one
 * of its changes half done.
 *
 * @param isSettled Of a look, and the one before it; null at the first.
 * @returns the last look.
 */
export async function lookAgain<T>(
  look: () => Promise<T>,
  isSettled: (seen: T, before: T | null) => boolean,
  clock: Clock = systemClock,
): Promise<T> {
  let before: T | null = null;
  for (let attempt = 1; ; attempt++) {
    const seen = await look();
    if (isSettled(seen, before) || attempt === liveAttemptsMax) return seen;
    before = seen;
    await new Promise<void>((resolve) => clock.after(livePauseMs, resolve));
  }
}
