import { raftLimits } from "./limits.js";
import type { Progress } from "./progress.js";
import type { RaftState } from "./state.js";

/**
 * Whether to send now what the receiver lacks, or a little later, with what comes meanwhile. Every message
 * is answered; with one write at a time, half of them told nothing but a commit index, and with a hundred
 * observers the leader did little else.
 *
 * Whoever has written lately is told everything at once, members get entries at once, and whoever is not up
 * to date does not wait, unless it is an observer that begins elsewhere over and over. Where this says no, `state.waitingDueMs` says until when.
 */
export function isDue(state: RaftState, id: string, progress: Progress): boolean {
  if (state.nowMs < progress.beginsMs && state.observers.has(id)) {
    state.waitingDueMs = Math.min(state.waitingDueMs, progress.beginsMs);
    return false;
  }
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

/**
 * The receiver was sent what it lacks, and names another place to begin at. By saying in turn that it has all
 * and that it lacks an entry, an observer could be sent that as fast as its two small answers come.
 */
export function beginsElsewhere(state: RaftState, progress: Progress): void {
  if (progress.mode !== "replicate" || state.nowMs < progress.beginsMs) return;
  progress.beginsMs = Math.max(state.nowMs, progress.beginsMs + raftLimits.paceMsMax);
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
