import type { RequestVote } from "../../../protocol/wire/messages.js";
import type { RaftState } from "../state.js";

/** Is it worth asking the candidate for its status: may its commit index cover our log? */
export function wantsCoveredVote(
  state: RaftState,
  candidate: string,
  message: RequestVote,
): boolean {
  return (
    state.guarded("covered-vote") &&
    message.lastLogTerm < state.log.lastTerm &&
    message.lastLogIndex >= state.log.lastIndex &&
    !hasMajorityWithout(state, candidate)
  );
}

/**
 * Covered vote: a candidate whose commit index is at least our last index holds every committed
 * entry that we hold, so it may have our vote even where its last term is lower. Without it a cluster
 * whose logs hold a term dip elects nobody while one member is down. Its commit index is the
 * smallest of what it claims, what it has applied and the last index that it has shown, because
 * 0.3.15 can report one beyond its own log; and it is given only while no majority can be reached
 * without that candidate.
 *
 * Not where what is committed here ends in a later term than the candidate's log: it may have been committed
 * after others had lost what the candidate has committed at these indices, and a look at the numbers cannot
 * tell that from a log that goes on behind ours. Only what is not known to be committed is given up at sight.
 */
export function coverage(state: RaftState, candidate: string): boolean {
  const known = state.peers.get(candidate);
  if (!state.guarded("covered-vote") || known === undefined || known.status === null) return false;
  if (hasMajorityWithout(state, candidate)) return false;
  if (committedTerm(state) > known.lastTerm) return false;
  const { commitIndex, lastApplied } = known.status;
  const claimed = Math.min(commitIndex, lastApplied, known.lastIndex);
  return claimed >= state.log.lastIndex && claimed <= knownOfMajority(state, candidate);
}

/** Of the last entry that is known to be committed. The log holds it: it begins with the end of the dump. */
export function committedTerm({ log, commitIndex }: RaftState): number {
  return log.termAt(commitIndex) ?? Number.MAX_SAFE_INTEGER;
}

/** Whether so many members are reached that they need no vote of this one. */
function hasMajorityWithout(state: RaftState, peer: string): boolean {
  const reachable = state.connectedMembers().filter((member) => member !== peer).length + 1;
  return reachable >= state.majority;
}

/**
 * The highest index that a majority may hold, by the logs that we know: ours, the candidate's, and
 * what others have shown. Members that have shown nothing may hold anything.
 */
function knownOfMajority(state: RaftState, candidate: string): number {
  const ends = [state.log.lastIndex];
  for (const member of state.members) {
    const shown = state.peers.get(member)?.lastIndex ?? 0;
    const isUnknown = shown === 0 || !state.connected.has(member);
    ends.push(member !== candidate && isUnknown ? Number.MAX_SAFE_INTEGER : shown);
  }
  ends.sort((a, b) => b - a);
  return ends[state.majority - 1] ?? 0;
}
