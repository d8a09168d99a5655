import { takenOverTermStep } from "../../../protocol/files/limits.js";
import { raftLimits } from "../limits.js";
import type { RaftLog } from "../raft-log.js";
import type { RaftState } from "../state.js";

/**
 * Look before you truncate: terms to try at our last index, each of which would show that the peer
 * holds another entry there than we do. None of these probes can cut anything that ours would not cut
 * anyway; one with our own last term could.
 *
 * Where our log ends in a dip the peer's can be the stale one that made it: its terms are those above
 * our last, up to our highest. Without them we would give way to it for ever.
 *
 * Where members have taken over PySyncObj's files the terms go up by a million at once: what was led in between is
 * near either side of that step. Our log may have lost its beginning to a dump, so that other sources count as well.
 *
 * @param from The highest to try.
 * @param except Our own, which would cut.
 * @param near Further terms near which somebody has led.
 */
export function termsToTry(
  log: RaftLog,
  { from, except, near }: { from: number; except: number; near: readonly number[] },
): number[] {
  const held = [...new Set([...log.distinctTerms(), ...near])].sort((a, b) => b - a);
  const terms: number[] = [];
  for (let term = from; term >= 0 && terms.length < raftLimits.inquestProbesMax; ) {
    if (term !== except) terms.push(term);
    term = termBelow(term, held);
  }
  return terms;
}

/** The last term that `peer` has shown, and where PySyncObj's files ended that we have begun with. */
export function termsNear(state: RaftState, peer: string): number[] {
  const shown = state.peers.get(peer)?.lastTerm ?? 0;
  const { termFloor } = state;
  const base = Math.max(0, termFloor - takenOverTermStep);
  return [shown, termFloor, base].filter((term) => term < state.term);
}

/** @param held Terms near which somebody has led, the highest first. */
function termBelow(term: number, held: readonly number[]): number {
  const next = term - 1;
  const at = held.findIndex((one) => one <= next);
  const below = at === -1 ? 0 : (held[at] ?? 0);
  const above = held[at === -1 ? held.length - 1 : at - 1] ?? term;
  const { termGapMin, nearGapTerms: near } = raftLimits;
  const isAmid = above - below >= termGapMin && above - next > near && next - below > near;
  return isAmid ? below + near : next;
}
