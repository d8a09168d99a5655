import type { CliContext } from "./context.js";
import { TerminalLine } from "./terminal-line.js";

/** A line on standard error, where that is a terminal: how many of how many are done. */
export class CountProgress {
  readonly #line: TerminalLine;
  readonly #doing: string;
  readonly #total: number;
  readonly #unit: string;

  constructor(
    context: CliContext,
    {
      doing,
      total,
      unit,
    }: { readonly doing: string; readonly total: number; readonly unit: string },
  ) {
    this.#line = new TerminalLine(context);
    this.#doing = doing;
    this.#total = total;
    this.#unit = unit;
  }

  /** @param total Where it was not known at the beginning. */
  show(done: number, total: number = this.#total): void {
    this.#line.draw(() => {
      const share = total === 0 ? 100 : Math.min(100, Math.floor((100 * done) / total));
      return `${this.#doing}: ${done} of ${total} ${this.#unit}, ${share} %`;
    });
  }

  clear(): void {
    this.#line.clear();
  }
}

/** Runs what Ctrl-C may stop. */
export async function untilInterrupted<T>(
  context: CliContext,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stopping = new AbortController();
  const unhook = context.onInterrupt(() => stopping.abort(new Error("stopped")));
  try {
    return await run(stopping.signal);
  } finally {
    unhook();
  }
}
