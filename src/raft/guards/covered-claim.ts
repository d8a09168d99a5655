import type { PeerKnowledge } from "../peer-knowledge.js";
import type { LaterEnd, RaftState } from "../state.js";
import type { PeerStatus } from "../types.js";

/**
 * Covered claim, the covered vote's mirror: a peer whose log ends within what is committed here, or is
 * the beginning of ours, but whose last term is higher than ours, would refuse us by its last term
 * alone. It loses nothing by following us, so we claim its last term, and a vanilla peer then votes
 * for us. What it has shown may be out of date by then: it may have followed another leader, and hold
 * entries that are committed. So a vote won by a claim is looked into before we lead: see inquest.ts.
 *
 * Of a term above all of our log's that is not done: others may have lost what is committed here, have gone on
 * without it in that later term, and have committed what the peer ends with. Then ours is the leftover. In a
 * dip we hold the higher terms ourselves, and what else is of them is older than what we have committed behind
 * them, unless others have forgotten their terms since, and count through them again. So nothing is taken
 * either from a peer that says that its last entry is committed, nor while the others can elect a leader without it:
 * another one of them may know that entry for committed, and not have told it yet.
 *
 * Where terms dip in our log, a peer whose log is the beginning of ours may end in the dip, and then
 * believes no higher last term that it cannot place: it is told its own as well.
 *
 * @param answers What the peers have told of themselves a moment ago, where they were asked.
 * @returns the last_log_term to put into the request_vote for this peer.
 */
export function claimFor(
  state: RaftState,
  peer: string,
  answers: ReadonlyMap<string, PeerStatus>,
): number {
  const ours = state.log.lastTerm;
  const known = state.peers.get(peer);
  if (!state.guarded("covered-claim") || known === undefined || known.lastIndex === 0) return ours;
  const isBeginning = state.log.termAt(known.lastIndex) === known.lastTerm;
  if (known.lastTerm < ours) return isBeginning && state.log.hasTermDip ? known.lastTerm : ours;
  const isOlder = known.lastTerm <= state.log.maxTerm;
  const isWithin = isOlder && known.lastIndex <= state.commitIndex && !isEndCommitted(known);
  const isCovered = isWithin && !canElectWithout(state, peer, answers);
  return isBeginning || isCovered ? known.lastTerm : ours;
}

/**
 * Nothing was claimed of a peer whose end is covered, and without its vote nobody leads before a third member
 * is there: an operator has to hear of it.
 */
export function noteLaterEnd(
  state: RaftState,
  peer: string,
  claimed: number,
  answers: ReadonlyMap<string, PeerStatus>,
): void {
  const known = state.peers.get(peer);
  if (!state.guarded("covered-claim") || known === undefined || known.lastTerm <= claimed) return;
  if (known.lastIndex > state.commitIndex) return;
  if (canElectWithout(state, peer, answers)) return;
  const isFirst = state.laterEnd === null;
  state.laterEnd = { peer, lastIndex: known.lastIndex, lastTerm: known.lastTerm };
  if (isFirst) state.note("warn", laterEndCode, laterEndText(state.laterEnd));
}

export const laterEndCode = "later-end";

export function laterEndText({ peer, lastIndex, lastTerm }: LaterEnd): string {
  return (
    `does not lead with the vote of ${peer}: its log ends at ${lastIndex} in term ${lastTerm}, later than that of ours, ` +
    "where other entries may have been committed since. Start the members that are away"
  );
}

/** By its own word, which a campaign has just asked for. */
function isEndCommitted({ status, lastIndex }: PeerKnowledge): boolean {
  return status !== null && Math.min(status.commitIndex, status.lastApplied) >= lastIndex;
}

/** Whether so many others are reached as elect a leader: who may have lost something votes for nobody. */
function canElectWithout(
  state: RaftState,
  peer: string,
  answers: ReadonlyMap<string, PeerStatus>,
): boolean {
  const voters = state
    .connectedMembers()
    .filter((member) => member !== peer && answers.get(member)?.mayLack !== true);
  return voters.length + 1 >= state.majority;
}
