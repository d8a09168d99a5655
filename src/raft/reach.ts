import type { Entry } from "../../protocol/log/entry.js";
import { askFor } from "./history.js";
import { raftLimits } from "./limits.js";
import { adoptTerm } from "./role.js";
import type { RaftState } from "./state.js";

/**
 * No cluster gets so far ahead of a member. Whoever adopted a forged term near the largest number could
 * never raise it again, nor anybody who hears of it: there would be no election for ever. But members may be
 * as far apart as that, after several forged terms, or where one of them has lost its disk: what a member answers
 * to a question of ours it says itself, and is believed.
 */
export function isMessageBeyondReach(state: RaftState, from: string, term: number): boolean {
  if (term - state.term <= raftLimits.termStepMax) return false;
  noteRefused(state, `a message of ${from}`, term);
  if (state.members.has(from)) askFor(state, [from]);
  return true;
}

/** @returns whether `peer` answers with a term that none can have. Otherwise ours is no longer far below it. */
export function isAnswerBeyondReach(state: RaftState, peer: string, term: number): boolean {
  if (term - state.term <= raftLimits.termStepMax) return false;
  if (term > raftLimits.termToldMax) {
    noteRefused(state, `the status of ${peer}`, term);
    return true;
  }
  if (!state.members.has(peer) || state.isBehindWithTerms) return false;
  const text = `${peer} is in term ${term}, far beyond ours (${state.term}), and says so itself: taking it`;
  state.note("warn", "term-leap", text);
  adoptTerm(state, term);
  return false;
}

/**
 * Our term goes up to that of each entry that we hold: see healTerm. A leader whose own term has collapsed sends
 * entries of any term that a broken member ever had.
 *
 * @param what Names whose they are.
 */
export function areBeyondReach(
  state: RaftState,
  what: string,
  entries: readonly Pick<Entry, "term">[],
): boolean {
  const { termStepMax, termTakenMax } = raftLimits;
  let highest = 0;
  for (const { term } of entries) if (term > highest) highest = term;
  if (highest <= Math.max(state.term + termStepMax, termTakenMax)) return false;
  noteRefused(state, what, highest);
  return true;
}

function noteRefused(state: RaftState, what: string, term: number): void {
  const text = `${what} names term ${term}, far beyond ours (${state.term}): refused`;
  state.note("warn", "term-beyond-reach", text);
}
