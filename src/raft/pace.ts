import { raftLimits } from "./limits.js";
import type { Progress } from "./progress.js";
import type { RaftState } from "./state.js";

/**
 * Whether to send now what the receiver lacks, or a little later, with what comes meanwhile. Every message
 * is answered; with one write at a time, half of them told nothing but a commit index, and with a hundred
 * observers the leader did little else.
 *
 * Whoever has written lately is told everything at once, members get entries at once, and whoever is not up
 * to date does not wait. Where this says no, `state.waitingDueMs` says until when.
 */
export function isDue(state: RaftState, id: string, progress: Progress): boolean {
  if (progress.mode !== "replicate") return true;
  const lacks = progress.nextIndex <= state.log.lastIndex;
  if (!lacks && progress.toldCommit >= state.commitIndex) return true;
  if (state.nowMs - progress.proposedMs < raftLimits.writerMs) return true;
  const paceMs = lacks ? entriesPaceMs(state, id) : noticePaceMs(state, id);
  const dueMs = progress.lastSentMs + paceMs;
  if (state.nowMs >= dueMs) return true;
  state.waitingDueMs = Math.min(state.waitingDueMs, dueMs);
  return false;
}

/** Many observers are sent entries at intervals, the same message to all of them. */
function entriesPaceMs(state: RaftState, id: string): number {
  if (!state.observers.has(id)) return 0;
  const fair = Math.floor(state.observers.size / raftLimits.observerMessagesPerMs);
  return Math.min(raftLimits.paceMsMax, fair);
}

function noticePaceMs(state: RaftState, id: string): number {
  return state.config.tellsAtTurnEnd === true ? raftLimits.paceMsMax : entriesPaceMs(state, id);
}
