import { raftLimits } from "./limits.js";
import type { RaftState } from "./state.js";

/**
 * An entry of a leader's log that is larger than this member takes: without it there is none of what comes
 * behind, until the leader sends a dump. The member stays where it is, and says so.
 */
export function refuseTooLarge(state: RaftState, leader: string, index: number): void {
  const { term, entryBytesMax, nowMs } = state;
  const isNew = state.tooLarge?.leader !== leader || state.tooLarge.index !== index;
  state.tooLarge = { leader, term, index, dueMs: nowMs + raftLimits.tooLargeRetryMs };
  if (isNew) state.note("error", "entry-too-large", tooLargeText(leader, index, entryBytesMax));
}

/** For the log, and for whoever asks how the member is. */
export function tooLargeText(leader: string, index: number, entryBytesMax: number): string {
  return (
    `entry ${index} of ${leader} is larger than the ${entryBytesMax} bytes that this member takes: it ` +
    "stays behind, and nothing is lost. Raise quorate.max_entry_bytes and restart it; or wait until " +
    `${leader} has compacted its log and sends a dump`
  );
}

/** Whether the pieces that follow that place are those of the entry that was refused. */
export function isTooLarge(
  { tooLarge, term, leader }: RaftState,
  prevLogIdx: number | null,
): boolean {
  if (tooLarge === null || prevLogIdx === null) return false;
  return tooLarge.term === term && tooLarge.leader === leader && tooLarge.index === prevLogIdx + 1;
}

/**
 * Whether the leader is not to be told where our log ends: it would send the entry again at once, all of it,
 * with every heartbeat. From time to time it is told.
 */
export function waitsForDump(state: RaftState): boolean {
  const { tooLarge, term, leader, nowMs } = state;
  if (tooLarge === null || tooLarge.term !== term || tooLarge.leader !== leader) return false;
  if (nowMs < tooLarge.dueMs) return true;
  state.tooLarge = { ...tooLarge, dueMs: nowMs + raftLimits.tooLargeRetryMs };
  return false;
}
