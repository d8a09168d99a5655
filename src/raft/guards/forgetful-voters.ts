import type { PeerKnowledge } from "../peer-knowledge.js";
import type { RaftState } from "../state.js";
import type { PeerStatus } from "../types.js";
import { isAtLeast } from "../version-order.js";

/**
 * Forgetful voters: a member that forgets its term commits entries of low terms with others that forgot,
 * and then votes for anyone whose last entry has a higher one. Its vote says nothing about its log.
 *
 * 0.3.15 and older forget at each restart. Later ones do at a loss of power, and it shows: an entry that
 * the peer has committed, and that we hold, has a higher term than the peer itself.
 */
export function forgetsTerms(state: RaftState, status: PeerStatus): boolean {
  if (!isAtLeast(status.version, [0, 3, 16])) return true;
  const committed = Math.max(status.commitIndex, status.lastApplied);
  const term = state.log.termAt(Math.min(committed, state.log.lastIndex));
  return term !== null && status.term < term;
}

/**
 * A peer has shown this term. Where it goes back the peer has started again, and forgotten it. In a message, too, which
 * anybody may have forged: an answer to a question of ours may come when others, or we, have lifted it again.
 */
export function noteTerm(state: RaftState, peer: string, term: number): PeerKnowledge {
  const known = state.knowledge(peer);
  known.term = Math.max(known.term, term);
  if (term < known.earlierTerm) state.raiseSecondTerm(term);
  return known;
}

/**
 * Entries of one index and term are the same where each term is led once. After the terms have gone
 * back they are led again: an entry of such a term may be another one than ours, and a log that ends
 * in it another one than the beginning of ours. The first entry is always the same.
 *
 * That is never forgotten again. Even where every member has confirmed entries of ours that hold a
 * later term, one that was removed, or set up anew from a copy, can come back with a log that ends in
 * such a term; and of a log that goes on to a later term this says nothing, so it costs nothing.
 */
export function mayBeLedTwice(state: RaftState, term: number): boolean {
  return term > 0 && term <= state.secondTerm;
}

/**
 * What is committed is held by a majority. So we may lead, and cut what differs, where the logs of a
 * majority are known to be part of ours: by a vote that can be believed, or because they were looked at.
 */
export function isMajorityPartOfOurs(
  state: RaftState,
  looked: {
    readonly forgetful: ReadonlySet<string>;
    readonly shown: ReadonlySet<string>;
  },
): boolean {
  if (!state.guarded("forgetful-voters")) return true;
  const part = [...state.members].filter(
    (peer) => looked.shown.has(peer) || (state.votes.has(peer) && !looked.forgetful.has(peer)),
  );
  return part.length + 1 >= state.majority;
}
