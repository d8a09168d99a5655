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
 * we lack. A claim beyond the log that the peer itself has shown is not believed (0.3.15 can make one).
 *
 * @returns why not, or null where nothing speaks against it.
 */
export function candidateVerdict(
  state: RaftState,
  answers: ReadonlyMap<string, PeerStatus>,
): string | null {
  for (const [peer, status] of answers) {
    const shown = state.peers.get(peer)?.lastIndex ?? 0;
    const committed =
      shown === 0
        ? status.commitIndex
        : Math.min(status.commitIndex, Math.max(shown, status.lastApplied));
    if (committed > state.log.lastIndex) {
      return `${peer} has committed up to ${committed}, our log ends at ${state.log.lastIndex}`;
    }
  }
  return null;
}

/** Peers whose term is below ours: they would commit at a collapsed term behind our back. */
export function behindOurTerm(
  state: RaftState,
  answers: ReadonlyMap<string, PeerStatus>,
): string[] {
  return [...answers].filter(([, status]) => status.term < state.term).map(([peer]) => peer);
}
