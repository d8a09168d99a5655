import type { Clock } from "../clock.js";
import type { Logger } from "../logger.js";
import { StorageError } from "../storage/storage-error.js";
import { nodeLimits } from "./limits.js";

export interface RoomWait {
  readonly logger: Logger;
  readonly clock: Clock;
  /** Gives the wait up. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Does what a start has to write, again and again while the disk is full: a member that ends instead
 * would be given up by its supervisor, and would have to be started by hand when there is room.
 *
 * @throws whatever the work throws, but lack of space only where the wait is given up.
 */
export async function untilThereIsRoom<T>(
  work: () => Promise<T>,
  { logger, clock, signal }: RoomWait,
): Promise<T> {
  for (let isTold = false; ; isTold = true) {
    try {
      const done = await work();
      if (isTold) logger.info("the disk takes writes again");
      return done;
    } catch (error) {
      const isFull = error instanceof StorageError && error.code === "no-space";
      if (!isFull || signal?.aborted === true) throw error;
      if (!isTold) logger.error(`waiting with the start: ${error.message}`, { code: error.code });
    }
    await retryTime(clock, signal);
  }
}

function retryTime(clock: Clock, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      timer.cancel();
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = clock.after(nodeLimits.diskRetryMs, end);
    signal?.addEventListener("abort", end);
  });
}
