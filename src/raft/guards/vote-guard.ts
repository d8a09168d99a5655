import type { RaftState } from "../state.js";

/**
 * Vote guard: no vote for a candidate whose log ends below our commit index, whatever its last term
 * claims. In a correct cluster an up-to-date candidate never does, so it costs nothing there; after a
 * member forgot its term, a stale log can carry the higher last term.
 *
 * Where our own log ends below its highest term the last terms of others say nothing, and our commit
 * index may be too old: 0.3.15 stores it once a second. Everything behind the dip may be committed
 * then. So only a last term above all that we know speaks for a log by itself. One between our last
 * term and our highest may be the stale log that made the dip, however long it is: a candidate that
 * holds all of ours names our own last term instead (covered claim).
 */
export function voteGuardAllows(
  state: RaftState,
  last: { readonly lastLogIndex: number; readonly lastLogTerm: number },
): boolean {
  if (!state.guarded("vote-guard")) return true;
  if (last.lastLogIndex < state.commitIndex) return false;
  const { log } = state;
  const isInDip = log.lastTerm < log.maxTerm;
  if (!isInDip || last.lastLogTerm > log.maxTerm) return true;
  return last.lastLogIndex >= log.lastIndex && last.lastLogTerm <= log.lastTerm;
}
