import { raftLimits } from "./limits.js";
import type { RaftState } from "./state.js";

/**
 * A leader demands that committed entries go. In a correct cluster that never happens; it does after
 * other members lost data. Never in silence: the entries are kept beside first, the store is built
 * again from dump and log (so that it stays the fold of the log), and an operator is told.
 *
 * @returns false where the entries stay: the member halts, only a dump can help, or it has gone on too often.
 */
export function yieldCommitted(state: RaftState, leader: string, fromIndex: number): boolean {
  const isRepeated = fromIndex <= state.dumpIndex && state.isConflictKept;
  if (!agreesToYield(state, leader, { fromIndex, isRepeated })) return false;
  // The dump already holds effects of what should go: only the leader's own dump can replace it.
  if (fromIndex <= state.dumpIndex) {
    // Until that has come nothing is gone, and what is here is as good for a vote as before.
    keepAll(state, leader);
    state.awaitsDump = true;
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
 * @returns false where the member halts, or it has gone on too often.
 */
export function yieldAllToDump(state: RaftState, leader: string, lastIndex: number): boolean {
  const fromIndex = Math.max(lastIndex, state.log.firstIndex + 1);
  const demand = { fromIndex, isRepeated: state.isConflictKept };
  if (!agreesToYield(state, leader, demand)) return false;
  keepAll(state, leader);
  if (fromIndex <= state.dumpIndex) state.awaitsDump = true;
  else goBackTo(state, fromIndex - 1);
  return true;
}

interface Demand {
  readonly fromIndex: number;
  /** All that may go has been kept for it, and nothing has come since. */
  readonly isRepeated: boolean;
}

function agreesToYield(
  state: RaftState,
  leader: string,
  { fromIndex, isRepeated }: Demand,
): boolean {
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
  if (isHalting || isRepeated || mayYieldAgain(state)) return !isHalting;
  state.note(
    "error",
    "conflict-refused",
    `committed entries have had to go ${raftLimits.yieldsMax} times in a short while: they stay for now, and so does ` +
      `this member, without what ${leader} has in their place. One more demand is met each minute; what went is ` +
      "kept beside the journal. An honest leader demands it once: see who it is, and that no member runs twice",
  );
  // That it is not taken, and not that it is to be sent again at once.
  const nextNodeIdx = state.log.lastIndex + 1;
  const reply = { type: "next_node_idx", nextNodeIdx, reset: false, success: false } as const;
  state.sendAfterLog(leader, reply);
  return false;
}

/**
 * A file each, and the whole store built again: a leader that contradicts itself, as a forged one can, must
 * not have that as often as it sends a message. None is refused for good: members of PySyncObj up to 0.3.15
 * forget their terms, and lead one twice.
 */
function mayYieldAgain(state: RaftState): boolean {
  const { yieldsMax, yieldAgainMs } = raftLimits;
  const from = Math.max(state.yieldedUntilMs, state.nowMs);
  if (from - state.nowMs > (yieldsMax - 1) * yieldAgainMs) return false;
  state.yieldedUntilMs = from + yieldAgainMs;
  return true;
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
