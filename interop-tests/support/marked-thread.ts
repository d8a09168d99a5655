import { openSync } from "node:fs";
import { threadMark } from "./thread-mark.js";

/* Loaded into the thread that writes batches, before its own program: see eager-thread.ts. */

try {
  openSync(threadMark, "r");
} catch {
  // The attempt is what the trace shows.
}
