import type { RaftState } from "./state.js";

/**
 * A leader demands that committed entries go. In a correct cluster that never happens; it does after
 * other members lost data. Never in silence: the entries are kept beside first, the store is built
 * again from dump and log (so that it stays the fold of the log), and an operator is told.
 *
 * @returns false where the entries stay: the member halts, or only a dump can help.
 */
export function yieldCommitted(state: RaftState, leader: string, fromIndex: number): boolean {
  if (!agreesToYield(state, leader, fromIndex)) return false;
  // The dump already holds effects of what should go: only the leader's own dump can replace it.
  if (fromIndex <= state.dumpIndex) {
    keepAll(state, leader);
    state.setMustRefetch(true);
    state.sendAfterLog(leader, {
      type: "next_node_idx",
      nextNodeIdx: 1,
      reset: true,
      success: false,
    });
    return false;
  }
  state.keepConflict(state.log.slice(fromIndex, state.log.lastIndex), leader, false);
  goBackTo(state, fromIndex - 1);
  return true;
}

/**
 * The same where a leader's dump is to take the place of log and dump. What it holds does not tell
 * where the conflict begins, only that it does at its last entry: all that goes is kept.
 *
 * @returns false where the member halts.
 */
export function yieldAllToDump(state: RaftState, leader: string, lastIndex: number): boolean {
  const fromIndex = Math.max(lastIndex, state.log.firstIndex + 1);
  if (!agreesToYield(state, leader, fromIndex)) return false;
  keepAll(state, leader);
  if (fromIndex <= state.dumpIndex) state.setMustRefetch(true);
  else goBackTo(state, fromIndex - 1);
  return true;
}

function agreesToYield(state: RaftState, leader: string, fromIndex: number): boolean {
  const range = `${fromIndex}…${state.commitIndex}`;
  const isHalting = state.config.onConflict === "halt";
  state.note(
    "error",
    "committed-entries-conflict",
    `leader ${leader} of term ${state.term} holds other entries at ${range}, which are committed here: ` +
      "another member has lost data. " +
      (isHalting
        ? "They stay in the journal."
        : "They are kept beside the journal before they go."),
  );
  if (isHalting) halt(state, `on_conflict is halt, and leader ${leader} demands that ${range} go`);
  return !isHalting;
}

/** Once: the leader may repeat its demand while its dump is on the way. */
function keepAll(state: RaftState, leader: string): void {
  if (state.isConflictKept) return;
  const { firstIndex, lastIndex } = state.log;
  state.keepConflict(state.log.slice(firstIndex + 1, lastIndex), leader, firstIndex > 1);
  state.isConflictKept = true;
}

function goBackTo(state: RaftState, to: number): void {
  const index = Math.min(to, state.commitIndex);
  state.commitIndex = index;
  // Stored before the entries are kept, it would have the next start hold them for uncommitted.
  state.saveCommit(index, state.seq);
  if (state.applyingTo <= index) return;
  state.applyingTo = index;
  state.lastApplied = Math.min(state.lastApplied, index);
  state.emit({ kind: "rebuild", entries: state.log.slice(state.log.firstIndex, index) });
}

export function halt(state: RaftState, reason: string): void {
  state.halted = true;
  state.emit({ kind: "halt", reason });
}
