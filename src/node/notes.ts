import { LineQuota } from "../line-quota.js";
import type { LogFields, Logger } from "../logger.js";
import type { Note } from "../raft/types.js";
import { nodeLimits } from "./limits.js";
import type { DegradedCode, DegradedReason } from "./member-types.js";

const repeatAfterMs = 60_000;

/** What the member has to say: counted always, logged at most once a minute for each text, and a few times for each code. */
export class Notes {
  readonly #logger: Logger;
  readonly #now: () => number;
  readonly #counts = new Map<string, number>();
  readonly #saidMs = new Map<string, number>();
  readonly #quota: LineQuota;
  readonly #degraded = new Map<DegradedCode, string>();

  constructor(logger: Logger, now: () => number) {
    this.#logger = logger;
    this.#now = now;
    this.#quota = new LineQuota(nodeLimits.linesOfAKindMax, repeatAfterMs, now);
  }

  say({ level, code, text: whole }: Note): void {
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1);
    const text = clipped(whole);
    const now = this.#now();
    const said = this.#saidMs.get(text);
    if (said !== undefined && now - said < repeatAfterMs) return;
    const leftOut = this.#quota.take(code);
    if (leftOut === null) return;
    if (this.#saidMs.size >= nodeLimits.notesRememberedMax) this.#saidMs.clear();
    this.#saidMs.set(text, now);
    this.#logger[level](text, leftOut === 0 ? { code } : { code, left_out: leftOut });
  }

  /** A line about a link, a peer, the members or who leads: others have these change as often as they like. */
  tell(
    kind: string,
    message: string,
    fields: LogFields = {},
    level: "info" | "warn" = "info",
  ): void {
    const leftOut = this.#quota.take(kind);
    if (leftOut === null) return;
    this.#logger[level](message, leftOut === 0 ? fields : { ...fields, left_out: leftOut });
  }

  /** Health is degraded for this reason until it is cleared. */
  degrade(code: DegradedCode, message: string): void {
    this.#degraded.set(code, message);
  }

  clear(code: DegradedCode): void {
    this.#degraded.delete(code);
  }

  degraded(): DegradedReason[] {
    return [...this.#degraded].map(([code, message]) => ({ code, message }));
  }

  counters(): Record<string, number> {
    return Object.fromEntries([...this.#counts].map(([code, n]) => [code.replaceAll("-", "_"), n]));
  }
}

function clipped(text: string): string {
  const { noteCharsMax } = nodeLimits;
  return text.length <= noteCharsMax ? text : `${text.slice(0, noteCharsMax)} …`;
}
