import { raftLimits } from "./limits.js";
import type { RaftState } from "./state.js";

/** Whether our term may go up by one. At the end of all numbers it stands still: no disk could store the next one. */
export function hasNextTerm(state: RaftState): boolean {
  if (state.term < raftLimits.termMax) return true;
  const text =
    `term ${state.term} is the last one there is: nobody can be elected any more. Somebody has forged terms for ` +
    "long. Stop all members, and restore a backup into empty directories (quorate restore --help)";
  state.note("error", "term-beyond-reach", text);
  return false;
}
