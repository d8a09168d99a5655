import { commandType } from "../../protocol/log/commands.js";
import type { AppendEntries } from "../../protocol/wire/messages.js";
import { raftLimits } from "./limits.js";

/**
 * What of a leader's message is taken in one step. Whoever leads chooses how many entries it has, and how many of them
 * change the members, each of which is decoded. What is taken is confirmed, and leaders of both kinds go on from there.
 */
export function takenAtOnce(message: AppendEntries): AppendEntries {
  const { entries } = message;
  const { takenEntriesMax, takenChangesMax, takenChangesBytesMax } = raftLimits;
  let changes = 0;
  let bytes = 0;
  for (const [at, { command }] of entries.entries()) {
    if (command[0] === commandType.membership) {
      changes += 1;
      bytes += command.length;
    }
    const isBeyond = changes > takenChangesMax || (changes > 1 && bytes > takenChangesBytesMax);
    if (at >= takenEntriesMax || isBeyond) return { ...message, entries: entries.slice(0, at) };
  }
  return message;
}
