import type { RaftState } from "./state.js";

/** Raises the commit index (never beyond the log) and gives the entries out to be applied. */
export function raiseCommit(state: RaftState, index: number): void {
  const target = Math.min(index, state.log.lastIndex);
  if (target <= state.commitIndex) return;
  if (state.isLeader) {
    for (const entry of state.log.slice(state.commitIndex + 1, target)) {
      state.uncommittedBytes -= entry.command.length;
    }
  }
  const before = state.commitIndex;
  state.commitIndex = target;
  state.membership.committed(before, target);
  state.saveCommit(target);
  giveOut(state);
}

/** Emits `apply` for everything committed that was not given out yet. */
export function giveOut(state: RaftState): void {
  if (state.applyingTo >= state.commitIndex) return;
  const entries = state.log.slice(state.applyingTo + 1, state.commitIndex);
  if (entries[0]?.index !== state.applyingTo + 1) {
    throw new Error(`the log no longer holds ${state.applyingTo + 1}, which was never applied`);
  }
  state.applyingTo = state.commitIndex;
  state.emit({ kind: "apply", entries });
}

/**
 * The leader's rule: an entry is committed when a majority holds it durably, and only entries of
 * the present term are counted. Our own disk must have confirmed it too, even where the others alone
 * are a majority: the proposer's answer waits for that, and upstream cannot use an answer which comes
 * after the commit (it is told UNKNOWN_OUTCOME; before 0.3.15 an assertion fails).
 */
export function advanceLeaderCommit(state: RaftState): void {
  if (!state.isLeader || state.inquest !== null) return;
  const held = [state.durableIndex];
  for (const member of state.members) {
    const progress = state.progress.get(member);
    held.push(progress?.isMatchFresh === true ? progress.matchIndex : 0);
  }
  held.sort((a, b) => b - a);
  const majorityHolds = Math.min(held[state.majority - 1] ?? 0, state.durableIndex);
  if (majorityHolds <= state.commitIndex) return;
  if (state.log.termAt(majorityHolds) !== state.term) return;
  raiseCommit(state, majorityHolds);
}

/** Bytes of commands that the log holds beyond the commit index. */
export function uncommittedBytes(state: RaftState): number {
  return state.log
    .slice(state.commitIndex + 1, state.log.lastIndex)
    .reduce((sum, entry) => sum + entry.command.length, 0);
}
