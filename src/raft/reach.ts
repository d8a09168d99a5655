import type { Entry } from "../../protocol/log/entry.js";
import { askFor } from "./history.js";
import { raftLimits } from "./limits.js";
import { adoptTerm } from "./role.js";
import type { RaftState } from "./state.js";

/**
 * No cluster gets so far ahead of a member. Whoever adopted a forged term near the largest number could
 * never raise it again, nor anybody who hears of it: there would be no election for ever. But members may be
 * as far apart as that, after several forged terms, or where one of them has lost its disk: what a member answers
 * to a question of ours it says itself, and is believed. From half of all numbers on both go by small steps.
 */
export function isMessageBeyondReach(state: RaftState, from: string, term: number): boolean {
  if (isWithinStep(state, term)) return false;
  noteRefused(state, `a message of ${from}`, term);
  if (state.members.has(from)) askFor(state, [from]);
  return true;
}

/**
 * A member's answer brings ours up to its term, or nearer to it.
 *
 * @returns whether `peer` answers with a term that is beyond ours all the same.
 */
export function isAnswerBeyondReach(state: RaftState, peer: string, term: number): boolean {
  if (isWithinStep(state, term)) return false;
  const { termToldMax, termToldStepMax, termMax } = raftLimits;
  const believed = Math.min(term, Math.max(termToldMax, state.term + termToldStepMax), termMax);
  const isMember = state.members.has(peer);
  if (isMember && !state.isBehindWithTerms && believed > state.term) {
    const whole = `${peer} is in term ${term}, far beyond ours (${state.term}), and says so itself`;
    const text = believed === term ? `${whole}: taking it` : `${whole}: taking ${believed}`;
    state.note("warn", "term-leap", text);
    adoptTerm(state, believed);
  }
  if (isWithinStep(state, term) || term <= termToldMax) return false;
  noteRefused(state, `the status of ${peer}`, term);
  return true;
}

function isWithinStep(state: RaftState, term: number): boolean {
  const { termStepMax, termSmallStepMax, termToldMax, termMax } = raftLimits;
  if (term <= state.term) return true;
  const stepMax = state.term < termToldMax ? termStepMax : termSmallStepMax;
  return term - state.term <= stepMax && term <= termMax;
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
  let highest = 0;
  for (const { term } of entries) if (term > highest) highest = term;
  if (highest <= raftLimits.termTakenMax || isWithinStep(state, highest)) return false;
  noteRefused(state, what, highest);
  return true;
}

function noteRefused(state: RaftState, what: string, term: number): void {
  const text = `${what} names term ${term}, far beyond ours (${state.term}): refused`;
  state.note("warn", "term-beyond-reach", text);
}
