import type { PeerKnowledge } from "../peer-knowledge.js";
import type { RaftState } from "../state.js";

/** Between two questions to a member that has not told its term. */
const askAgainMs = 500;

/**
 * Forgotten term: a member without its files has voted and confirmed up to a term that it does not know.
 * A leader of an older term, cut off from the others, would bring it up to date, and commit with it other
 * entries than those that it had confirmed to a newer leader. So many other members have to have told
 * their terms since our start that one of them was in every majority with us.
 *
 * @returns false where `leader` may not be followed yet.
 */
export function mayFollow(state: RaftState, leader: string): boolean {
  if (!state.forgotTerm || !state.guarded("forgotten-term")) return true;
  const others = [...state.members, ...state.guests];
  const silent = others.filter((other) => heardTerm(state.peers.get(other)) === null);
  if (others.length - silent.length < votersToHear(state)) {
    askTerms(state, leader, silent);
    return false;
  }
  const term = Math.max(...others.map((other) => heardTerm(state.peers.get(other)) ?? 0));
  if (term > state.term) state.setTerm(term, null);
  state.setMustRefetch(state.mustRefetch, false);
  state.keepGuest(leader);
  state.note("info", "term-found", `the others are in term ${term} at most: following again`);
  return true;
}

/**
 * Also a vote of ours that is still being counted may elect a leader. Of an even number of members two
 * majorities share two: another one than us confirms no entry which that leader lacks. Of an odd number they
 * may share us alone, and whoever we voted for has to be among those that we hear: all of them. All as
 * well where it is not sure who they are (guests): of too large a number, half says nothing. But a
 * cluster that does not know us has no vote of ours, and members that are gone must not keep us out.
 */
function votersToHear(state: RaftState): number {
  const others = state.members.size + state.guests.size;
  const majority = Math.floor((others + 1) / 2) + 1;
  const isSure = state.guests.size === 0;
  return state.isJoining || (isSure && others % 2 === 1) ? others + 2 - majority : others;
}

/** The highest term that it has shown since our start; null where it has shown none. */
function heardTerm(known: PeerKnowledge | undefined): number | null {
  if (known === undefined) return null;
  const term = Math.max(known.term, known.earlierTerm, known.status?.term ?? 0);
  return term > 0 || known.status !== null ? term : null;
}

function askTerms(state: RaftState, leader: string, silent: readonly string[]): void {
  if (state.nowMs - state.termsAskedMs < askAgainMs) return;
  // A member that comes for the first time has its answers in a moment: nothing to worry anybody with.
  if (state.termsAskedMs !== Number.NEGATIVE_INFINITY) {
    state.note(
      "warn",
      "term-forgotten",
      "this member is new, or has lost its files and may have confirmed entries to a newer leader than " +
        `${leader}: it follows nobody before it has heard from ${silent.join(", ")}` +
        gone(silent.filter((other) => state.guests.has(other))),
    );
  }
  state.termsAskedMs = state.nowMs;
  for (const peer of silent) {
    if (state.connected.has(peer) || state.guests.has(peer)) state.askStatus(peer);
  }
}

function gone(guests: readonly string[]): string {
  if (guests.length === 0) return "";
  return (
    ` (${guests.join(", ")}: of partner_addrs, and not a member as others have it; take out of partner_addrs who ` +
    "is gone for good, and start again)"
  );
}
