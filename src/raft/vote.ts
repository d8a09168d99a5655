import type { QuoratePreVote, RequestVote } from "../../protocol/wire/messages.js";
import { committedTerm, coverage, wantsCoveredVote } from "./guards/covered-vote.js";
import { noteTerm } from "./guards/forgetful-voters.js";
import { beaconTo, liftPeer } from "./guards/term-beacon.js";
import { voteGuardAllows } from "./guards/vote-guard.js";
import { askFor, meetHistory, takeMembersOf } from "./history.js";
import type { PeerKnowledge } from "./peer-knowledge.js";
import { adoptTerm } from "./role.js";
import type { RaftState } from "./state.js";

/** A peer asks for our vote. A refusal is silence, as upstream's. */
export function onRequestVote(state: RaftState, from: string, message: RequestVote): void {
  const known = noteTerm(state, from, message.term);
  if (message.lastLogIndex > 0) {
    noteLog(known, message);
    known.voteAskedTerm = message.term;
  }
  if (message.term < state.term) {
    liftPeer(state, from, message.term);
    return;
  }
  if (message.term > state.term) adoptTerm(state, message.term);
  // Somebody else campaigns: whatever we had learnt for a campaign of our own is out of date.
  state.round = null;
  state.preVotes = null;
  if (message.lastLogIndex > 1 && !meetHistory(state, from)) return;
  if (!mayVote(state, from)) return;
  if (weGaveWayTo(state, from, message)) grant(state, from);
  else if (!voteGuardAllows(state, message)) return;
  else if (isUpToDate(state, from, message)) grant(state, from);
  else if (wantsCoveredVote(state, from, message)) state.askStatus(from);
}

/** How far its log goes it says only when it wants to lead. */
function noteLog(known: PeerKnowledge, message: RequestVote | QuoratePreVote): void {
  known.lastIndex = message.lastLogIndex;
  known.lastTerm = message.lastLogTerm;
}

/** The status of a candidate came that we had asked for in view of a covered vote. */
export function reconsiderVote(state: RaftState, candidate: string): void {
  const known = state.knowledge(candidate);
  if (known.lastIndex > 1 && !meetHistory(state, candidate)) return;
  if (!mayVote(state, candidate) || known.voteAskedTerm !== state.term) return;
  if (known.status === null || known.status.term !== state.term) return;
  const last = { lastLogIndex: known.lastIndex, lastLogTerm: known.lastTerm };
  if (coverage(state, candidate) && voteGuardAllows(state, last)) {
    state.note(
      "info",
      "covered-vote",
      `${candidate} gets our vote in term ${state.term}: its last term is below ours, and its ` +
        `commit index ${known.status.commitIndex} covers our log`,
    );
    grant(state, candidate);
  }
}

function mayVote(state: RaftState, candidate: string): boolean {
  return state.role !== "leader" && state.votedFor === null && isAbleToVote(state, candidate);
}

function isAbleToVote(state: RaftState, candidate: string): boolean {
  if (state.halted || !state.diskUsable) return false;
  return !state.mustRefetch || holdsAllThatWeLack(state, candidate);
}

/**
 * Of two members the other one holds all that was ever confirmed, and without our vote nobody could lead
 * again. Whether they are two it has to say itself: our log is not whole.
 */
function holdsAllThatWeLack(state: RaftState, candidate: string): boolean {
  if (!state.mustRefetch || state.members.size !== 1 || state.guests.size > 0) return false;
  if (takeMembersOf(state, candidate)) return state.members.size === 1;
  askFor(state, [candidate]);
  return false;
}

/**
 * We have looked at its log a moment ago, and it holds ours and more. Its last term is lower all the
 * same: without our vote neither of us could ever lead while a third member refuses it for that.
 */
function weGaveWayTo(state: RaftState, candidate: string, message: RequestVote): boolean {
  const way = state.gaveWay;
  if (way === null || way.to !== candidate || state.nowMs > way.untilMs) return false;
  if (message.lastLogIndex < state.log.lastIndex) return false;
  const { lastLogTerm } = message;
  if (lastLogTerm >= state.log.lastTerm || way.tried === null || way.tried.has(lastLogTerm)) {
    return true;
  }
  // Of that term it was not asked: it may hold another entry than ours. The next look asks for it.
  state.gaveWay = null;
  state.resetElectionDeadline();
  return false;
}

function isUpToDate(
  state: RaftState,
  candidate: string,
  message: RequestVote | QuoratePreVote,
): boolean {
  if (holdsAllThatWeLack(state, candidate)) return true;
  if (message.lastLogTerm !== state.log.lastTerm) return message.lastLogTerm > state.log.lastTerm;
  return message.lastLogIndex >= state.log.lastIndex;
}

function grant(state: RaftState, candidate: string): void {
  if (state.term <= state.termFloor) {
    // Files of PySyncObj do not say in which terms above their own we have voted: the candidate asks again in one
    // in which we have not.
    const asked = state.term;
    adoptTerm(state, state.termFloor);
    beaconTo(state, candidate, asked);
    return;
  }
  state.setTerm(state.term, candidate);
  state.resetElectionDeadline();
  state.sendAfterMeta([candidate], { type: "response_vote", term: state.term });
}

/**
 * Would we vote, if asked? Nothing changes here. While a leader is heard the answer is no: a member
 * that merely cannot reach the leader must not unseat it.
 */
export function onPreVote(state: RaftState, from: string, message: QuoratePreVote): void {
  noteLog(state.knowledge(from), message);
  const isPastKnown = message.lastLogIndex <= 1 || meetHistory(state, from);
  const leaderLives =
    state.isLeader || state.nowMs - state.leaderHeardMs < state.config.electionTimeoutMsMin;
  const granted =
    isPastKnown &&
    !leaderLives &&
    isAbleToVote(state, from) &&
    message.term > state.term &&
    isUpToDate(state, from, message) &&
    voteGuardAllows(state, message);
  state.sendAfterMeta([from], {
    type: "quorate_pre_vote_answer",
    term: message.term,
    granted,
    hearsLeader: leaderLives,
    commitIndex: state.commitIndex,
    commitTerm: committedTerm(state),
  });
  // Its term is behind ours. Unless it learns that it asks for ever, and if its log is the newer one
  // nobody else can lead either.
  if (message.term <= state.term) beaconTo(state, from, message.term - 1);
}
