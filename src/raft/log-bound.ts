import { commandType } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import { raftLimits } from "./limits.js";
import { heldBytes } from "./raft-log.js";
import type { RaftState } from "./state.js";
import { refuse } from "./too-large.js";

/*
 * How long the log may become, in bytes: it is in memory, and its journal ends for good at 4 GiB. A dump makes
 * it shorter; where none can be written nothing more is taken, neither as the leader nor as a follower. The
 * entry of a new leader is appended all the same: it is small, and there is one for each election.
 */

/** Whether a command, behind what is about to be appended, would make the log longer than it may be. */
export function isBeyondLog({ log, logBytesMax }: RaftState, commandBytes: number): boolean {
  return log.bytes + commandBytes + raftLimits.entryHeldBytes > logBytesMax;
}

/**
 * Whether these entries of a leader would. Where a dump would not make the log shorter, they are taken for a
 * while: what they bring about may be what a dump waits for.
 */
export function areBeyondLog(state: RaftState, entries: readonly Entry[]): boolean {
  const { log, logBytesMax } = state;
  let bytes = log.bytesOf(log.firstIndex, (entries[0]?.index ?? 1) - 1);
  for (const entry of entries) bytes += heldBytes(entry);
  if (bytes <= logBytesMax) return false;
  return bytes > logBytesMax * raftLimits.logSpareFactor || isCompactable(state);
}

/** Enough of it is applied, and no change of the members is on its way, amid which there is no dump. */
function isCompactable({ log, lastApplied, logBytesMax }: RaftState): boolean {
  const appliedBytes = log.bytesOf(log.firstIndex, lastApplied);
  if (appliedBytes < logBytesMax * raftLimits.logAppliedShare) return false;
  return log
    .slice(lastApplied + 1, log.lastIndex)
    .every(({ command }) => command[0] !== commandType.membership);
}

/** The log holds as much as it may. This member takes no more of its leader's entries for now. */
export function refuseBeyondLog(state: RaftState, leader: string, index: number): void {
  const { tooLarge: old, term, logBytesMax: bytesMax } = state;
  // Its leader may send them again with each heartbeat: that puts nothing off.
  if (old?.what === "log" && old.leader === leader && old.term === term && old.index === index)
    return;
  refuse(state, { what: "log", leader, index, bytesMax });
}

/** Whether the log is so long that a dump is needed before much more comes. */
export function isLogFull({ log, logBytesMax }: RaftState): boolean {
  return log.bytes > logBytesMax * raftLimits.logFullShare;
}

/** For whoever is refused a write by this member, and for whoever asks how it is. */
export function logFullText({ log, logBytesMax }: RaftState): string {
  return (
    `the log has come to ${log.bytes} bytes, at most ${logBytesMax} are held: nothing more is taken before a dump ` +
    "is written, and nothing is lost. It goes on by itself then"
  );
}
