import type { RaftState } from "../state.js";

/**
 * Term beacon: a peer whose term is behind our durable term has forgotten it. A request_vote with our
 * term and a log position that cannot win (index 0, term 0) makes it take the term over without
 * granting anything. Only for peers seen to be behind.
 */
export function beaconTo(state: RaftState, peer: string, seenTerm: number): void {
  if (!state.guarded("term-beacon") || seenTerm >= state.term) return;
  if (!state.members.has(peer) || !state.connected.has(peer)) return;
  state.sendAfterMeta([peer], {
    type: "request_vote",
    term: state.term,
    lastLogIndex: 0,
    lastLogTerm: 0,
  });
}
