import type { RaftState } from "../state.js";

/**
 * Covered claim, the covered vote's mirror: a peer whose log ends within what is committed here, or is
 * the beginning of ours, but whose last term is higher than ours, would refuse us by its last term
 * alone. It loses nothing by following us, so we claim its last term, and a vanilla peer then votes
 * for us. What it has shown may be out of date by then: it may have followed another leader, and hold
 * entries that are committed. So a vote won by a claim is looked into before we lead: see inquest.ts.
 *
 * Where terms dip in our log, a peer whose log is the beginning of ours may end in the dip, and then
 * believes no higher last term that it cannot place: it is told its own as well.
 *
 * @returns the last_log_term to put into the request_vote for this peer.
 */
export function claimFor(state: RaftState, peer: string): number {
  const ours = state.log.lastTerm;
  const known = state.peers.get(peer);
  if (!state.guarded("covered-claim") || known === undefined || known.lastIndex === 0) return ours;
  const isBeginning = state.log.termAt(known.lastIndex) === known.lastTerm;
  if (known.lastTerm < ours) return isBeginning && state.log.hasTermDip ? known.lastTerm : ours;
  return isBeginning || known.lastIndex <= state.commitIndex ? known.lastTerm : ours;
}
