import { setTimeout as sleep } from "node:timers/promises";

export interface EventuallyOptions {
  readonly timeoutMs?: number;
  readonly everyMs?: number;
}

/** An election with a lost vote or two, on a busy machine. */
const timeoutMsDefault = 20_000;
const everyMsDefault = 50;

/**
 * Asks again and again until the probe gives something else than false, null or undefined, and
 * gives that. A probe that throws counts as "not yet".
 *
 * @throws Error that names `what` and the last thing seen, when the time is over.
 */
export async function eventually<T>(
  what: string,
  probe: () => T | null | undefined | false | Promise<T | null | undefined | false>,
  options: EventuallyOptions = {},
): Promise<T> {
  const { timeoutMs = timeoutMsDefault, everyMs = everyMsDefault } = options;
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    let last: unknown;
    try {
      const seen = await probe();
      if (seen !== null && seen !== undefined && seen !== false) return seen;
      last = seen;
    } catch (error) {
      last = error;
    }
    if (Date.now() >= deadline) {
      const said = last instanceof Error ? last.message : String(last);
      throw new Error(`not within ${timeoutMs} ms: ${what} (last: ${said})`, { cause: last });
    }
    await sleep(everyMs);
  }
}
