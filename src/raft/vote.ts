import type { QuoratePreVote, RequestVote } from "../../protocol/wire/messages.js";
import { coverage, wantsCoveredVote } from "./guards/covered-vote.js";
import { beaconTo, liftPeer } from "./guards/term-beacon.js";
import { voteGuardAllows } from "./guards/vote-guard.js";
import { adoptTerm } from "./role.js";
import type { RaftState } from "./state.js";

/** A peer asks for our vote. A refusal is silence, as upstream's. */
export function onRequestVote(state: RaftState, from: string, message: RequestVote): void {
  const known = state.knowledge(from);
  known.term = Math.max(known.term, message.term);
  if (message.lastLogIndex > 0) {
    known.lastIndex = message.lastLogIndex;
    known.lastTerm = message.lastLogTerm;
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
  if (message.lastLogIndex > 1) state.meetHistory();
  if (!mayVote(state) || !voteGuardAllows(state, message.lastLogIndex)) return;
  if (isUpToDate(state, message) || weGaveWayTo(state, from, message)) grant(state, from);
  else if (wantsCoveredVote(state, from, message)) state.emit({ kind: "ask-status", peer: from });
}

/** The status of a candidate came that we had asked for in view of a covered vote. */
export function reconsiderVote(state: RaftState, candidate: string): void {
  const known = state.knowledge(candidate);
  if (!mayVote(state) || known.voteAskedTerm !== state.term) return;
  if (known.status === null || known.status.term !== state.term) return;
  if (coverage(state, candidate) && voteGuardAllows(state, known.lastIndex)) {
    state.note(
      "info",
      "covered-vote",
      `${candidate} gets our vote in term ${state.term}: its last term is below ours, and its ` +
        `commit index ${known.status.commitIndex} covers our log`,
    );
    grant(state, candidate);
  }
}

function mayVote(state: RaftState): boolean {
  return state.role !== "leader" && state.votedFor === null && isAbleToVote(state);
}

function isAbleToVote(state: RaftState): boolean {
  return !state.mustRefetch && !state.halted && state.diskUsable;
}

/**
 * We have looked at its log a moment ago, and it holds ours and more. Its last term is lower all the
 * same: without our vote neither of us could ever lead while a third member refuses it for that.
 */
function weGaveWayTo(state: RaftState, candidate: string, message: RequestVote): boolean {
  const way = state.gaveWay;
  if (way === null || way.to !== candidate || state.nowMs > way.untilMs) return false;
  return message.lastLogIndex >= state.log.lastIndex;
}

function isUpToDate(state: RaftState, message: RequestVote | QuoratePreVote): boolean {
  if (message.lastLogTerm !== state.log.lastTerm) return message.lastLogTerm > state.log.lastTerm;
  return message.lastLogIndex >= state.log.lastIndex;
}

function grant(state: RaftState, candidate: string): void {
  state.setTerm(state.term, candidate);
  state.resetElectionDeadline();
  state.sendAfterMeta([candidate], { type: "response_vote", term: state.term });
}

/**
 * Would we vote, if asked? Nothing changes here. While a leader is heard the answer is no: a member
 * that merely cannot reach the leader must not unseat it.
 */
export function onPreVote(state: RaftState, from: string, message: QuoratePreVote): void {
  if (message.lastLogIndex > 1) state.meetHistory();
  const leaderLives =
    state.isLeader || state.nowMs - state.leaderHeardMs < state.config.electionTimeoutMsMin;
  const granted =
    !leaderLives &&
    isAbleToVote(state) &&
    message.term > state.term &&
    isUpToDate(state, message) &&
    voteGuardAllows(state, message.lastLogIndex);
  state.sendAfterMeta([from], { type: "quorate_pre_vote_answer", term: message.term, granted });
  // Its term is behind ours. Unless it learns that it asks for ever, and if its log is the newer one
  // nobody else can lead either.
  if (message.term <= state.term) beaconTo(state, from, message.term - 1);
}
