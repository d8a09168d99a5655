import type { RaftState } from "../state.js";

/**
 * Covered claim, the covered vote's mirror: a peer whose log ends within what is committed here, but
 * whose last term is higher than ours, would refuse us by its last term alone. It loses nothing by
 * following us, so we claim its last term, and a vanilla peer then votes for us.
 *
 * @returns the last_log_term to put into the request_vote for this peer.
 */
export function claimFor(state: RaftState, peer: string): number {
  const ours = state.log.lastTerm;
  const known = state.peers.get(peer);
  if (!state.guarded("covered-claim") || known === undefined || known.lastIndex === 0) return ours;
  const isCovered = known.lastIndex <= state.commitIndex && known.lastTerm > ours;
  return isCovered ? known.lastTerm : ours;
}
