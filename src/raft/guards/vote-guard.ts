import type { RaftState } from "../state.js";

/**
 * Vote guard: no vote for a candidate whose log ends below our commit index, whatever its last term
 * claims. In a correct cluster an up-to-date candidate never does, so it costs nothing there; after a
 * member forgot its term, a stale log can carry the higher last term.
 */
export function voteGuardAllows(state: RaftState, lastLogIndex: number): boolean {
  return !state.guarded("vote-guard") || lastLogIndex >= state.commitIndex;
}
