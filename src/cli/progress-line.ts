import type { CliContext } from "./context.js";
import { untilInterrupted } from "./count-progress.js";
import { CliError, exitCode } from "./exit-codes.js";
import { TerminalLine } from "./terminal-line.js";

/** What a long command hands to the reading of files: its progress, and its end by Ctrl-C. */
export interface CommandWatch {
  readonly signal: AbortSignal;
  readonly onRead: (bytes: number) => void;
}

export interface ProgressText {
  /** What is being done, in the line. */
  readonly doing: string;
  /** What will be read, as far as that is known. */
  readonly totalBytes: number;
  /** The last words where it was stopped. */
  readonly stopped?: string;
  /** It changes files. What only reads is stopped also where Ctrl-C came behind the last look for it. */
  readonly changes?: boolean;
}

/**
 * Runs a long command: with a line on standard error where that is a terminal, and with an end by Ctrl-C.
 *
 * @throws CliError 130 where it was stopped.
 */
export async function withProgress<T>(
  context: CliContext,
  { doing, totalBytes, stopped = "stopped", changes = false }: ProgressText,
  run: (watch: CommandWatch) => Promise<T>,
): Promise<T> {
  const line = new TerminalLine(context);
  const startedMs = performance.now();
  let doneBytes = 0;
  const onRead = (bytes: number): void => {
    doneBytes += bytes;
    line.draw((nowMs) => `${doing}: ${progressText(doneBytes, totalBytes, nowMs - startedMs)}`);
  };
  return await untilInterrupted(context, async (signal) => {
    try {
      const done = await run({ signal, onRead });
      if (!changes) signal.throwIfAborted();
      return done;
    } catch (error) {
      // A fault of its own, at the same moment, is told: something may have been changed by then.
      if (!signal.aborted || !isStop(error, signal)) throw error;
      throw new CliError(stopped, { code: exitCode.interrupted, cause: error });
    } finally {
      line.clear();
    }
  });
}

function isStop(error: unknown, { reason }: AbortSignal): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at === reason || at.name === "AbortError") return true;
  }
  return false;
}

/** `45 %, 310 MiB/s, 2 s left`. More may be read than was foreseen: a journal that grows. */
export function progressText(doneBytes: number, totalBytes: number, elapsedMs: number): string {
  const share = totalBytes === 0 ? 1 : Math.min(1, doneBytes / totalBytes);
  const perSec = elapsedMs === 0 ? 0 : (doneBytes / elapsedMs) * 1000;
  const rate = `${(perSec / 1024 ** 2).toFixed(perSec < 10 * 1024 ** 2 ? 1 : 0)} MiB/s`;
  const leftSec = perSec === 0 ? 0 : Math.max(0, totalBytes - doneBytes) / perSec;
  return `${Math.floor(share * 100)} %, ${rate}, ${Math.ceil(leftSec)} s left`;
}
