import { raftLimits } from "./limits.js";
import type { RaftState } from "./state.js";

/** Between two questions that are not answered. */
export const askAgainMs = 500;

/**
 * The cluster has had a leader: `from` leads it, or holds entries. A member without any files may have
 * voted and confirmed entries before it lost its disk: no vote before a leader has brought it up to date,
 * and no leader before it has heard what term the others are in. But of two members the other one holds all
 * that was ever confirmed, and without our vote it could never lead again. Whether they are two it has to
 * say itself: our configuration need not name all, and a removal may be under way.
 *
 * @returns false where that is not known yet: neither follow it nor vote for it.
 */
export function meetHistory(state: RaftState, from: string): boolean {
  if (!state.isBlank) return true;
  if (state.members.size === 1 && !takeMembersOf(state, from)) {
    askFor(state, [from]);
    return false;
  }
  state.isBlank = false;
  if (state.members.size + state.guests.size > 1) state.setMustRefetch(true, true);
  return true;
}

/** Takes over who the members are from what `peer` has told of itself; false where it has told nothing. */
export function takeMembersOf(state: RaftState, peer: string): boolean {
  const status = state.peers.get(peer)?.status ?? null;
  if (status === null) return false;
  if (status.partners === undefined) return true;
  const told = new Set([peer, ...status.partners].filter((member) => member !== state.selfId));
  // Its list is no cluster's: nothing is known of who the members are.
  if (told.size >= raftLimits.knownMembersMax) return false;
  const isSame = told.size === state.members.size && [...told].every((m) => state.members.has(m));
  if (!isSame) state.membership.set([...told], peer);
  state.membership.areTold = true;
  return true;
}

/**
 * Asks members for their state, each in its own time: messages in the name of one of them, which bring questions
 * about, put off no question to another one.
 *
 * @returns false where all of them were asked a moment ago.
 */
export function askFor(state: RaftState, peers: readonly string[]): boolean {
  const reachable = peers.filter((peer) => state.connected.has(peer) || state.guests.has(peer));
  const due = reachable.filter((peer) => state.nowMs - askedMs(state, peer) >= askAgainMs);
  for (const peer of due) {
    state.knowledge(peer).askedMs = state.nowMs;
    state.askStatus(peer);
  }
  return due.length > 0;
}

/** Whether any of them was asked since our start. */
export function wereAsked(state: RaftState, peers: readonly string[]): boolean {
  return peers.some((peer) => askedMs(state, peer) > Number.NEGATIVE_INFINITY);
}

function askedMs(state: RaftState, peer: string): number {
  return state.peers.get(peer)?.askedMs ?? Number.NEGATIVE_INFINITY;
}

/**
 * Members whose removal is not committed: it may come to nothing. Whoever has to know the members from us,
 * because it has lost its files, must not leave them out.
 */
export function leavingMembers(state: RaftState): string[] {
  const leaving = new Set<string>();
  for (const { change, address } of state.membership.uncommitted(state.commitIndex)) {
    if (change === "rem" && !state.members.has(address)) leaving.add(address);
  }
  return [...leaving];
}
