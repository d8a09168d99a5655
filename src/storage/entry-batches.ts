import type { Entry } from "../../protocol/log/entry.js";
import { appendBytesMax, appendEntriesMax } from "./limits.js";

/** The entries in groups, each of which is put together in one step of the loop; large ones by themselves. */
export function* batchesOf(entries: readonly Entry[]): Generator<readonly Entry[]> {
  let from = 0;
  let bytes = 0;
  for (const [at, { command }] of entries.entries()) {
    const isFull = bytes + command.length > appendBytesMax || at - from >= appendEntriesMax;
    if (at > from && isFull) {
      yield entries.slice(from, at);
      from = at;
      bytes = 0;
    }
    bytes += command.length;
  }
  if (from < entries.length) yield entries.slice(from);
}
