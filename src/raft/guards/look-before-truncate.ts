import { raftLimits } from "../limits.js";

/**
 * Look before you truncate: terms to try at our last index, each of which would show that the peer
 * holds another entry there than we do. None of these probes can cut anything that ours would not cut
 * anyway; one with our own last term could.
 *
 * Where our log ends in a dip the peer's can be the stale one that made it: its terms are those above
 * our last, up to our highest. Without them we would give way to it for ever.
 */
export function termsToTry(lastTerm: number, maxTerm: number): number[] {
  const terms: number[] = [];
  for (let term = maxTerm; term >= 0 && terms.length < raftLimits.inquestProbesMax; term -= 1) {
    if (term !== lastTerm) terms.push(term);
  }
  return terms;
}
