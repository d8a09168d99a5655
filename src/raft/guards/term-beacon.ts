import { hasNextTerm } from "../last-term.js";
import type { RaftState } from "../state.js";

/**
 * A peer has shown a term behind ours: lift it. With no leader known our own term goes up first, to
 * one that nobody has voted in: a peer that forgot its vote would vote a second time in the present
 * one. A Quorate peer forgets none, and the leader that we merely cannot reach would have to go. Nor
 * where we have voted for another candidate: its election is under way, and a higher term would spoil
 * it. Once for each term and link: the peer may have sent much before the beacon came.
 */
export function liftPeer(state: RaftState, peer: string, seenTerm: number): void {
  if (!canLift(state, peer, seenTerm)) return;
  const known = state.knowledge(peer);
  if (known.beaconTerm === state.term) return;
  const { votedFor, selfId } = state;
  const isElecting = state.role !== "follower" || (votedFor !== null && votedFor !== selfId);
  if (state.leader === null && !isElecting && !known.isQuorate) {
    // While terms wait for the disk ours stays, and may be one that the peer has voted in.
    if (state.isBehindWithTerms || !hasNextTerm(state)) return;
    state.setTerm(state.term + 1, null);
  }
  beaconTo(state, peer, seenTerm);
}

/**
 * Term beacon: a peer whose term is behind our durable term has forgotten it. A request_vote with our
 * term and a log position that cannot win (index 0, term 0) makes it take the term over without
 * granting anything. Only for peers seen to be behind.
 */
export function beaconTo(state: RaftState, peer: string, seenTerm: number): void {
  if (!canLift(state, peer, seenTerm)) return;
  state.knowledge(peer).beaconTerm = state.term;
  state.sendAfterMeta([peer], {
    type: "request_vote",
    term: state.term,
    lastLogIndex: 0,
    lastLogTerm: 0,
  });
}

function canLift(state: RaftState, peer: string, seenTerm: number): boolean {
  if (!state.guarded("term-beacon") || seenTerm >= state.term) return false;
  return state.members.has(peer) && state.connected.has(peer);
}
