import { raftLimits } from "../limits.js";

/**
 * Look before you truncate: lower terms to try at our last index. None of these probes can cut
 * anything that ours would not cut anyway; one with our own last term could.
 */
export function termsToTry(lastTerm: number): number[] {
  const terms: number[] = [];
  for (
    let term = lastTerm - 1;
    term >= 0 && terms.length < raftLimits.inquestProbesMax;
    term -= 1
  ) {
    terms.push(term);
  }
  return terms;
}
