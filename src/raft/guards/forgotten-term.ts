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
  const members = [...state.members];
  const silent = members.filter((member) => heardTerm(state.peers.get(member)) === null);
  if (members.length - silent.length < votersToHear(state)) {
    askTerms(state, leader, silent);
    return false;
  }
  const term = Math.max(...members.map((member) => heardTerm(state.peers.get(member)) ?? 0));
  if (term > state.term) state.setTerm(term, null);
  state.setMustRefetch(state.mustRefetch, false);
  state.note("info", "term-found", `the others are in term ${term} at most: following again`);
  return true;
}

/**
 * Also a vote of ours that is still being counted may elect a leader. Of an even number of members two
 * majorities share two: another one than us confirms no entry which that leader lacks. Of an odd number they
 * may share us alone, and whoever we voted for has to be among those that we hear: all of them. But a
 * cluster that does not know us has no vote of ours, and members that are gone must not keep us out.
 */
function votersToHear(state: RaftState): number {
  const others = state.members.size;
  const inEveryMajority = others + 2 - state.majority;
  return others % 2 === 0 && !state.isJoining ? others : inEveryMajority;
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
        `${leader}: it follows nobody before it has heard from ${silent.join(", ")}`,
    );
  }
  state.termsAskedMs = state.nowMs;
  for (const peer of silent) {
    if (state.connected.has(peer)) state.askStatus(peer);
  }
}
