import type { RaftState } from "./state.js";

/**
 * A leader demands that committed entries go. In a correct cluster that never happens; it does after
 * other members lost data. Never in silence: the entries are kept beside first, the store is built
 * again from dump and log (so that it stays the fold of the log), and an operator is told.
 *
 * @returns false where the entries stay: the member halts, or only a dump can help.
 */
export function yieldCommitted(state: RaftState, leader: string, fromIndex: number): boolean {
  const entries = state.log.slice(fromIndex, state.log.lastIndex);
  const range = `${fromIndex}…${state.commitIndex}`;
  state.note(
    "error",
    "committed-entries-conflict",
    `leader ${leader} of term ${state.term} holds other entries at ${range}, which are committed here: ` +
      "another member has lost data. They are kept beside the journal.",
  );
  state.keepConflict(entries, leader);
  if (state.config.onConflict === "halt") {
    halt(state, `on_conflict is halt, and leader ${leader} demands that entries ${range} go`);
    return false;
  }
  // The dump already holds effects of what should go: only the leader's own dump can replace it.
  if (fromIndex <= state.dumpIndex) {
    state.setMustRefetch(true);
    state.sendAfterLog(leader, {
      type: "next_node_idx",
      nextNodeIdx: 1,
      reset: true,
      success: false,
    });
    return false;
  }
  state.commitIndex = fromIndex - 1;
  state.saveCommit(state.commitIndex);
  if (state.applyingTo >= fromIndex) {
    const kept = state.log.slice(state.log.firstIndex, fromIndex - 1);
    state.applyingTo = fromIndex - 1;
    state.lastApplied = Math.min(state.lastApplied, fromIndex - 1);
    state.emit({ kind: "rebuild", entries: kept });
  }
  return true;
}

export function halt(state: RaftState, reason: string): void {
  state.halted = true;
  state.emit({ kind: "halt", reason });
}
