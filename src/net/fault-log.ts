import type { LogFields, Logger } from "../logger.js";
import { faultLogEntriesMax, faultLogPeriodMs } from "./limits.js";

interface Seen {
  readonly since: number;
  suppressed: number;
}

/**
 * Logs what strangers do wrong, once for each kind and origin in a minute: a log that a stranger can
 * fill is one more thing to fill.
 */
export class FaultLog {
  readonly #logger: Logger;
  readonly #now: () => number;
  /** In the order of `since`; its size never goes beyond faultLogEntriesMax. */
  readonly #seen = new Map<string, Seen>();

  constructor(logger: Logger, now: () => number) {
    this.#logger = logger;
    this.#now = now;
  }

  /** `origin` is whatever the line should appear once for: a remote host, a claimed address. */
  warn(kind: string, origin: string, message: string, fields: LogFields = {}): void {
    const key = `${kind} ${origin}`;
    const now = this.#now();
    const seen = this.#seen.get(key);
    if (seen !== undefined && now - seen.since < faultLogPeriodMs) {
      seen.suppressed += 1;
      return;
    }
    this.#seen.delete(key);
    this.#forgetOldest();
    this.#seen.set(key, { since: now, suppressed: 0 });
    const repeated = seen?.suppressed ?? 0;
    this.#logger.warn(message, repeated === 0 ? fields : { ...fields, repeated });
  }

  get size(): number {
    return this.#seen.size;
  }

  #forgetOldest(): void {
    for (const key of this.#seen.keys()) {
      if (this.#seen.size < faultLogEntriesMax) {
        return;
      }
      this.#seen.delete(key);
    }
  }
}
