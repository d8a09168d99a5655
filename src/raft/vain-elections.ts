import { raftLimits } from "./limits.js";
import type { RaftState } from "./state.js";

/** Elections in a row that gave no leader, as this member saw them. */
export interface VainElections {
  count: number;
  /** When the first of them began; null where none did. */
  sinceMs: number | null;
  isSaid: boolean;
  /** Why the latest campaign was put off; null where votes were asked for. */
  why: string | null;
}

/**
 * The election deadline has passed, and a majority is connected. An election or two may be in vain; where they go on
 * being so, the logs are such that nobody can be elected, and an operator has to hear of it.
 */
export function noteElection(state: RaftState): void {
  const vain = state.vainElections;
  vain.count += 1;
  vain.sinceMs ??= state.nowMs;
  const text = vain.isSaid ? null : vainElectionsText(state);
  if (text === null) return;
  vain.isSaid = true;
  state.note("warn", vainElectionsCode, text);
}

export const vainElectionsCode = "elections-in-vain";

/** Null while there is nothing to say. */
export function vainElectionsText(state: RaftState): string | null {
  const { count, sinceMs, why } = state.vainElections;
  if (sinceMs === null || state.nowMs - sinceMs < raftLimits.vainElectionsMs) return null;
  const ends = [`our log ends at ${state.log.lastIndex} in term ${state.log.lastTerm}`];
  for (const member of state.members) {
    const known = state.peers.get(member);
    if (!state.connected.has(member)) ends.push(`${member} is away`);
    else if (known === undefined || known.lastIndex === 0) ends.push(`${member} has not shown its`);
    else ends.push(`that of ${member} at ${known.lastIndex} in term ${known.lastTerm}`);
  }
  return (
    `${count} elections in a row have given no leader, though a majority is connected ` +
    `(${why ?? "it was not voted for"}; ${ends.join(", ")}). Start the members that are away; where none is, ` +
    "compare their files (quorate doctor DIR DIR DIR), and see docs/recovery.md"
  );
}

/** There is a leader, or another member hears one, or no majority is there that could elect one. */
export function electionsOver(state: RaftState): void {
  Object.assign(state.vainElections, noElections());
}

export function noElections(): VainElections {
  return { count: 0, sinceMs: null, isSaid: false, why: null };
}
