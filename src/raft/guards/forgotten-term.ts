import type {
  AppendChunk,
  AppendEntries,
  InstallSnapshot,
} from "../../../protocol/wire/messages.js";
import { askFor, takeMembersOf, wereAsked } from "../history.js";
import type { PeerKnowledge } from "../peer-knowledge.js";
import type { RaftState } from "../state.js";

type FromLeader = Pick<AppendEntries | AppendChunk | InstallSnapshot, "term" | "commitIndex">;

/**
 * Forgotten term: a member without its files has voted and confirmed up to a term that it does not know.
 * A leader of an older term, cut off from the others, would bring it up to date, and commit with it other
 * entries than those that it had confirmed to a newer leader. So many other members have to have told
 * their terms since our start that one of them was in every majority with us. Who they are `leader` has to
 * say: what we were told or configured with may be incomplete, or name members that are gone since.
 *
 * @returns false where `leader`, which has sent `message`, may not be followed yet.
 */
export function mayFollow(state: RaftState, leader: string, message: FromLeader): boolean {
  if (!state.forgotTerm || !state.guarded("forgotten-term")) return true;
  const isLeaderKnown = takeMembersOf(state, leader);
  const others = [...state.members, ...possibleMembers(state)];
  const silent = others.filter((other) => heardTerm(state.peers.get(other)) === null);
  const areHeard = others.length - silent.length >= votersToHear(state, others.length);
  if (!isLeaderKnown || !(areHeard || commitsWithoutUs(state, leader, message))) {
    askTerms(state, leader, silent);
    return false;
  }
  const term = Math.max(...others.map((other) => heardTerm(state.peers.get(other)) ?? 0));
  if (term > state.term) state.setTerm(term, null);
  state.setMustRefetch(state.mustRefetch, false);
  state.membership.keepGuest(leader);
  state.note("info", "term-found", `the others are in term ${term} at most: following again`);
  return true;
}

/**
 * An entry that `leader` appended after our start, and has committed while we confirm nothing: a majority
 * without us was in its term then, and holds that entry. So no newer leader has confirmed anything with us
 * before, and no vote of ours elects one that lacks the entry. Whoever is away need not be heard then.
 */
function commitsWithoutUs(state: RaftState, leader: string, message: FromLeader): boolean {
  const status = state.peers.get(leader)?.status ?? null;
  if (status === null || status.leader !== leader || status.term !== message.term) return false;
  return status.lastIndex !== undefined && message.commitIndex > status.lastIndex;
}

/**
 * Guests that may be members, unknown to whoever told us the members: a leader that was cut off while the
 * cluster grew from two to three, or from four to five, is half of its members, and with us a majority. Of
 * an odd number it needs another one besides us, who knows.
 */
function possibleMembers(state: RaftState): readonly string[] {
  const isHalf = state.members.size % 2 === 1;
  return isHalf && !state.isJoining ? [...state.guests] : [];
}

/**
 * Also a vote of ours that is still being counted may elect a leader. Of four members two majorities share
 * two: another one than us confirms no entry which that leader lacks. Of more, further disks may be lost
 * together with ours, and of an odd number two majorities may share us alone: whoever we voted for has to be
 * among those that we hear, so all of them. But a cluster that does not know us has no vote of ours, and
 * members that are gone must not keep us out.
 */
function votersToHear(state: RaftState, others: number): number {
  if (others > state.members.size) return others;
  const inEveryMajority = others + 2 - state.majority;
  return others <= 3 || state.isJoining ? inEveryMajority : others;
}

/** The highest term that it has shown since our start; null where it has shown none. */
function heardTerm(known: PeerKnowledge | undefined): number | null {
  if (known === undefined) return null;
  const term = Math.max(known.term, known.earlierTerm, known.status?.term ?? 0);
  return term > 0 || known.status !== null ? term : null;
}

/** The leader as well: one of those that are silent may have been removed meanwhile. */
function askTerms(state: RaftState, leader: string, silent: readonly string[]): void {
  const asked = [...new Set([...silent, leader])];
  const isFirst = !wereAsked(state, asked);
  // A member that comes for the first time has its answers in a moment: nothing to worry anybody with.
  if (!askFor(state, asked) || isFirst) return;
  state.note(
    "warn",
    "term-forgotten",
    "this member is new, or has lost its files and may have confirmed entries to a newer leader than " +
      `${leader}: it follows nobody before it has heard from ${(silent.length > 0 ? silent : asked).join(", ")}` +
      gone(silent.filter((other) => state.guests.has(other))),
  );
}

function gone(guests: readonly string[]): string {
  if (guests.length === 0) return "";
  return (
    ` (${guests.join(", ")}: of partner_addrs, and not a member as others have it; take out of partner_addrs who ` +
    "is gone for good, and start again)"
  );
}
