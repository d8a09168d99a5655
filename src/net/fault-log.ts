import { LineQuota } from "../line-quota.js";
import type { LogFields, Logger } from "../logger.js";
import { faultLogEntriesMax, faultLogLinesMax, faultLogPeriodMs } from "./limits.js";

interface Seen {
  readonly since: number;
  suppressed: number;
}

/**
 * Logs what strangers do wrong, once for each kind and origin in a minute, and of one kind no more than
 * a few lines: a log that a stranger can fill is one more thing to fill, and an origin can be made up.
 */
export class FaultLog {
  readonly #logger: Logger;
  readonly #now: () => number;
  /** In the order of `since`; its size never goes beyond faultLogEntriesMax. */
  readonly #seen = new Map<string, Seen>();
  readonly #quota: LineQuota;

  constructor(logger: Logger, now: () => number) {
    this.#logger = logger;
    this.#now = now;
    this.#quota = new LineQuota(faultLogLinesMax, faultLogPeriodMs, now);
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
    const leftOut = this.#quota.take(kind);
    if (leftOut === null) return;
    this.#seen.delete(key);
    this.#forgetOldest();
    this.#seen.set(key, { since: now, suppressed: 0 });
    const repeated = seen?.suppressed ?? 0;
    this.#logger.warn(message, {
      ...fields,
      ...(repeated === 0 ? {} : { repeated }),
      ...(leftOut === 0 ? {} : { left_out: leftOut }),
    });
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
