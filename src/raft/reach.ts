import type { Entry } from "../../protocol/log/entry.js";
import { raftLimits } from "./limits.js";
import type { RaftState } from "./state.js";

/**
 * No cluster gets so far ahead of a member. Whoever adopted a forged term near the largest number could
 * never raise it again, nor anybody who hears of it: there would be no election for ever.
 *
 * @param what Names the term: a message, an entry, a dump or an answer, of whom.
 */
export function isTermBeyondReach(state: RaftState, what: string, term: number): boolean {
  if (term - state.term <= raftLimits.termStepMax) return false;
  const text = `${what} names term ${term}, far beyond ours (${state.term}): refused`;
  state.note("warn", "term-beyond-reach", text);
  return true;
}

/** Our term goes up to that of each entry that we hold: see healTerm. */
export function areBeyondReach(
  state: RaftState,
  what: string,
  entries: readonly Pick<Entry, "term">[],
): boolean {
  let highest = 0;
  for (const { term } of entries) if (term > highest) highest = term;
  return isTermBeyondReach(state, what, highest);
}
