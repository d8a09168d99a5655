/** Of one kind of line, in one period. */
interface Window {
  readonly since: number;
  lines: number;
  leftOut: number;
}

/**
 * How many log lines of one kind may be written in a period, whoever causes them: what a peer names (an
 * address, a command) makes each line another one, and a log that others can fill fills the disk.
 */
export class LineQuota {
  readonly #linesMax: number;
  readonly #periodMs: number;
  readonly #now: () => number;
  readonly #windows = new Map<string, Window>();

  /** @param now A clock in milliseconds. */
  constructor(linesMax: number, periodMs: number, now: () => number) {
    this.#linesMax = linesMax;
    this.#periodMs = periodMs;
    this.#now = now;
  }

  /**
   * @param kind A fixed word of the code, never a peer's.
   * @returns how many lines of this kind were left out before this one; null where it has to be left out.
   */
  take(kind: string): number | null {
    const now = this.#now();
    const window = this.#windows.get(kind);
    if (window === undefined || now - window.since >= this.#periodMs) {
      this.#windows.set(kind, { since: now, lines: 1, leftOut: 0 });
      return window?.leftOut ?? 0;
    }
    if (window.lines >= this.#linesMax) {
      window.leftOut += 1;
      return null;
    }
    window.lines += 1;
    return 0;
  }
}
