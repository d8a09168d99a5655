import { openSync } from "node:fs";

/** No such file: the thread that writes batches tries to open it, so that a trace says which one it is. */
export const threadMark = "/nothing/the-thread-that-writes-batches";

export function markThread(): void {
  try {
    openSync(threadMark, "r");
  } catch {
    // The attempt is what the trace shows.
  }
}
