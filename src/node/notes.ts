import type { Logger } from "../logger.js";
import type { Note } from "../raft/types.js";
import { nodeLimits } from "./limits.js";
import type { DegradedReason } from "./member-types.js";

const repeatAfterMs = 60_000;

/** What the member has to say: counted always, logged at most once a minute for each text. */
export class Notes {
  readonly #logger: Logger;
  readonly #now: () => number;
  readonly #counts = new Map<string, number>();
  readonly #saidMs = new Map<string, number>();
  readonly #degraded = new Map<string, string>();

  constructor(logger: Logger, now: () => number) {
    this.#logger = logger;
    this.#now = now;
  }

  say({ level, code, text }: Note): void {
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1);
    const now = this.#now();
    const said = this.#saidMs.get(text);
    if (said !== undefined && now - said < repeatAfterMs) return;
    if (this.#saidMs.size >= nodeLimits.notesRememberedMax) this.#saidMs.clear();
    this.#saidMs.set(text, now);
    this.#logger[level](text, { code });
  }

  /** Health is degraded for this reason until it is cleared. */
  degrade(code: string, message: string): void {
    this.#degraded.set(code, message);
  }

  clear(code: string): void {
    this.#degraded.delete(code);
  }

  degraded(): DegradedReason[] {
    return [...this.#degraded].map(([code, message]) => ({ code, message }));
  }

  counters(): Record<string, number> {
    return Object.fromEntries([...this.#counts].map(([code, n]) => [code.replaceAll("-", "_"), n]));
  }
}
