import type { RaftState } from "../state.js";
import type { PeerStatus } from "../types.js";

/**
 * Candidate guard: before a campaign learn the state of every connected peer. Among Quorate members
 * alone, whose logs hold no term dip, plain raft is enough.
 */
export function needsCandidateGuard(state: RaftState): boolean {
  if (!state.guarded("candidate-guard")) return false;
  if (state.log.hasTermDip) return true;
  return state.connectedMembers().some((peer) => state.peers.get(peer)?.isQuorate !== true);
}

/**
 * No campaign while a peer's commit index is beyond our last index: it holds committed entries that
 * we lack. A claim beyond the log that the peer itself has shown is not believed (0.3.15 can make one), nor one
 * of entries that a majority says it does not hold: others have cut them away, and all would wait for ever for
 * the one that is left with them.
 *
 * @returns why not, or null where nothing speaks against it.
 */
export function candidateVerdict(
  state: RaftState,
  answers: ReadonlyMap<string, PeerStatus>,
): string | null {
  const held = heldByMajority(state, answers);
  for (const [peer, status] of answers) {
    const shown = state.peers.get(peer)?.lastIndex ?? 0;
    const committed =
      shown === 0
        ? status.commitIndex
        : Math.min(status.commitIndex, Math.max(shown, status.lastApplied));
    if (Math.min(committed, held) > state.log.lastIndex) {
      return `${peer} has committed up to ${committed}, our log ends at ${state.log.lastIndex}`;
    }
  }
  return null;
}

/** The highest index that a majority may hold, by what all of them have just told. */
function heldByMajority(state: RaftState, answers: ReadonlyMap<string, PeerStatus>): number {
  const ends = [state.log.lastIndex];
  for (const member of state.members) {
    const status = answers.get(member);
    // What a member without its files had confirmed nobody knows.
    const isTold = status?.lastIndex !== undefined && status.mayLack !== true;
    ends.push(isTold ? status.lastIndex : Number.POSITIVE_INFINITY);
  }
  ends.sort((a, b) => b - a);
  return ends[state.majority - 1] ?? 0;
}

/** Peers whose term is below ours: they would commit at a collapsed term behind our back. */
export function behindOurTerm(
  state: RaftState,
  answers: ReadonlyMap<string, PeerStatus>,
): string[] {
  return [...answers].filter(([, status]) => status.term < state.term).map(([peer]) => peer);
}

/**
 * A member whose committed entry stands not in our log, which holds another one in its place: its vote must not
 * elect us. In plain raft there is none. Members of 0.3.15 that forgot their terms commit behind logs of higher last
 * terms, and once a dump has taken the dip away nothing else tells the stale log from the others.
 */
export function contradicts(
  state: RaftState,
  { commitIndex, commitTerm }: { readonly commitIndex: number; readonly commitTerm?: number },
): boolean {
  if (commitTerm === undefined || !state.guarded("candidate-guard")) return false;
  const held = state.log.termAt(commitIndex);
  return held !== null && held !== commitTerm;
}
