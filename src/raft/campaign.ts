import type { QuoratePreVoteAnswer } from "../../protocol/wire/messages.js";
import {
  behindOurTerm,
  candidateVerdict,
  contradicts,
  needsCandidateGuard,
} from "./guards/candidate-guard.js";
import { claimFor, noteLaterEnd } from "./guards/covered-claim.js";
import { forgetsTerms, noteTerm } from "./guards/forgetful-voters.js";
import { beaconTo } from "./guards/term-beacon.js";
import { meetHistory } from "./history.js";
import { onLateVote } from "./inquest.js";
import { hasNextTerm } from "./last-term.js";
import { raftLimits } from "./limits.js";
import type { PeerKnowledge } from "./peer-knowledge.js";
import type { RaftState } from "./state.js";
import type { PeerStatus } from "./types.js";
import { electionsOver, noteElection } from "./vain-elections.js";
import { winElection } from "./win-election.js";

/** One campaign's questions to the peers, before the term goes up. */
export interface CampaignRound {
  readonly startedMs: number;
  /** When the next question is due; null while answers are awaited. */
  askAgainMs: number | null;
  questions: number;
  /** Status questions up to this number are older than its latest: their answers decide nothing. */
  questionBefore: number;
  readonly waiting: Set<string>;
  readonly answers: Map<string, PeerStatus>;
}

/** The election deadline has passed, or the leader asked us to take over. */
export function considerCampaign(state: RaftState): void {
  const isTransfer = state.transferringToSelf;
  state.transferringToSelf = false;
  state.resetElectionDeadline();
  state.inquest = null;
  const isBarred = state.mustRefetch || state.halted || !state.diskUsable || state.isHeldBack;
  if (isBarred && isTransfer) return;
  // Whoever led has been silent for too long: health should say so, and whoever has missed a change of the
  // members, and does not campaign, has to ask who they are.
  if (state.leader !== null) state.setRole("follower", null);
  if (isBarred || !hasNextTerm(state)) return;
  if (state.connectedMembers().length + 1 < state.majority) {
    // Nobody could elect us: a term that goes up alone only disturbs those that can.
    state.setRole("follower", null);
    electionsOver(state);
    return;
  }
  noteElection(state);
  if (isTransfer) campaign(state, state.connectedMembers());
  else if (needsCandidateGuard(state)) startRound(state);
  else if (understandPreVotes(state, state.connectedMembers())) {
    startPreVote(state, state.connectedMembers());
  } else campaign(state, state.connectedMembers());
}

function startRound(state: RaftState): void {
  state.round = {
    startedMs: state.nowMs,
    askAgainMs: null,
    questions: 0,
    questionBefore: state.question,
    waiting: new Set(),
    answers: new Map(),
  };
  askAll(state, state.round);
}

function askAll(state: RaftState, round: CampaignRound): void {
  round.askAgainMs = null;
  round.questions += 1;
  round.questionBefore = state.question;
  round.answers.clear();
  round.waiting.clear();
  for (const peer of state.connectedMembers()) {
    if (!isMute(state, peer)) round.waiting.add(peer);
    state.askStatus(peer);
  }
  if (round.waiting.size === 0) judge(state, round);
}

/** A peer has told its state, or has not answered. */
export function onPeerStatus(
  state: RaftState,
  peer: string,
  question: number,
  status: PeerStatus | null,
): void {
  if (status !== null) {
    const known = noteTerm(state, peer, status.term);
    known.status = status;
    noteEnd(known, status);
    if (status.commitIndex > 1) meetHistory(state, peer);
    // Our beacon lifts its term before the next question: what was seen once stays true.
    known.isForgetful ||= forgetsTerms(state, status);
  }
  noteAnswer(state, peer, status !== null);
  const round = state.round;
  if (round === null || question <= round.questionBefore || !round.waiting.has(peer)) return;
  if (status === null) {
    putOff(state, "campaign-unanswered", `${peer} is connected and does not tell its state`);
    return;
  }
  round.waiting.delete(peer);
  round.answers.set(peer, status);
  if (round.waiting.size === 0) judge(state, round);
}

/** A member that does not campaign shows nowhere else where its log ends. */
function noteEnd(known: PeerKnowledge, { lastIndex, lastTerm }: PeerStatus): void {
  if (lastIndex === undefined || lastTerm === undefined) return;
  known.lastIndex = lastIndex;
  known.lastTerm = lastTerm;
}

function judge(state: RaftState, round: CampaignRound): void {
  if (round.answers.size + 1 < state.majority) {
    putOff(state, "campaign-alone", "the peers that could elect us are gone");
    return;
  }
  const ahead = candidateVerdict(state, round.answers);
  if (ahead !== null) {
    putOff(state, "campaign-behind", ahead);
    return;
  }
  const electors = [...round.answers].flatMap(([peer, status]) =>
    contradicts(state, status) ? [] : [peer],
  );
  if (electors.length + 1 < state.majority) {
    putOff(state, "campaign-contradicted", contradictedText);
    return;
  }
  if (!state.log.hasTermDip && understandPreVotes(state, electors)) {
    // Whoever was not known for a Quorate member is one, or does not answer: they may hear a leader.
    state.round = null;
    startPreVote(state, electors);
    state.resetElectionDeadline();
    return;
  }
  const behind = behindOurTerm(state, round.answers);
  if (behind.length === 0) {
    const highest = Math.max(state.term, ...[...round.answers.values()].map((s) => s.term));
    if (highest > state.term) state.setTerm(highest, null);
    campaign(state, electors, round.answers);
    return;
  }
  if (round.questions >= raftLimits.confirmRoundsMax) {
    putOff(
      state,
      "campaign-term-behind",
      `${behind.join(", ")} do not take over term ${state.term}`,
    );
    return;
  }
  // With no leader known the beacon's term is one that nobody has voted in yet, ours included.
  if (round.questions === 1) state.setTerm(state.term + 1, null);
  for (const peer of behindOurTerm(state, round.answers)) {
    beaconTo(state, peer, round.answers.get(peer)?.term ?? 0);
  }
  round.askAgainMs = state.nowMs + raftLimits.confirmDelayMs;
}

const contradictedText =
  "others know entries as committed in the place of which we hold other ones";

/** A round of questions comes after another within an election timeout: a longer gap ends a silence. */
function noteAnswer(state: RaftState, peer: string, answered: boolean): void {
  const silence = state.silences.get(peer);
  const isFresh =
    silence !== undefined && state.nowMs - silence.lastMs <= raftLimits.silentPeerMsMax;
  if (answered) state.silences.delete(peer);
  else if (isFresh) silence.lastMs = state.nowMs;
  else state.silences.set(peer, { sinceMs: state.nowMs, lastMs: state.nowMs });
}

/**
 * A peer that hangs, or whose machine has gone without a word, stays connected for as long as TCP
 * hopes for it. After a while it counts as gone: a majority without it has to get its leader. Not
 * where terms dip in our log: then a last term says nothing, and what the silent one holds might be
 * the committed entries that the others would vote away.
 */
function isMute(state: RaftState, peer: string): boolean {
  if (state.log.hasTermDip) return false;
  const silence = state.silences.get(peer);
  return silence !== undefined && silence.lastMs - silence.sinceMs >= raftLimits.silentPeerMsMax;
}

function putOff(state: RaftState, code: string, why: string): void {
  state.round = null;
  state.vainElections.why = why;
  state.resetElectionDeadline();
  state.note("info", code, `campaign put off: ${why}`);
}

/** Time goes on in a round of questions. */
export function roundTick(state: RaftState): void {
  const round = state.round;
  if (round === null) return;
  for (const peer of round.waiting) {
    if (state.connected.has(peer)) continue;
    round.waiting.delete(peer);
    if (round.waiting.size === 0 && round.askAgainMs === null) {
      judge(state, round);
      return;
    }
  }
  if (round.askAgainMs !== null && state.nowMs >= round.askAgainMs) askAll(state, round);
  else if (
    round.waiting.size > 0 &&
    state.nowMs - round.startedMs > raftLimits.statusAnswerMsMax * raftLimits.confirmRoundsMax
  ) {
    putOff(state, "campaign-unanswered", `no answer from ${[...round.waiting].join(", ")}`);
  }
}

function understandPreVotes(state: RaftState, peers: readonly string[]): boolean {
  return peers.every((peer) => state.peers.get(peer)?.isQuorate === true);
}

/** Among Quorate members: would a majority vote for us, and has it lost its leader as well? */
function startPreVote(state: RaftState, peers: readonly string[]): void {
  state.preVotes = { peers, granted: new Set() };
  // A peer refuses while it has heard the leader a moment later than we have: ask again soon.
  state.electionDeadlineMs = state.nowMs + state.config.heartbeatMs * (1 + state.config.random());
  if (peers.length === 0) {
    campaign(state, peers);
    return;
  }
  state.sendAfterMeta(peers, {
    type: "quorate_pre_vote",
    term: state.term + 1,
    lastLogIndex: state.log.lastIndex,
    lastLogTerm: state.log.lastTerm,
  });
}

export function onPreVoteAnswer(
  state: RaftState,
  from: string,
  answer: QuoratePreVoteAnswer,
): void {
  const { preVotes } = state;
  const { term, granted } = answer;
  if (state.members.has(from) && answer.hearsLeader) electionsOver(state);
  if (preVotes === null || term !== state.term + 1 || !granted) return;
  // Neither a guest, which does not count, nor whoever was not asked.
  if (!preVotes.peers.includes(from) || !state.members.has(from)) return;
  if (contradicts(state, answer)) {
    state.vainElections.why = contradictedText;
    state.note("info", "campaign-contradicted", `${from} would vote for us: ${contradictedText}`);
    return;
  }
  preVotes.granted.add(from);
  if (preVotes.granted.size + 1 >= state.majority) campaign(state, preVotes.peers);
}

/**
 * Raises the term, votes for ourselves, asks `peers` for their votes once that is durable.
 *
 * @param answers What they have told of themselves a moment ago, where they were asked.
 */
export function campaign(
  state: RaftState,
  peers: readonly string[],
  answers: ReadonlyMap<string, PeerStatus> = new Map(),
): void {
  state.round = null;
  state.vainElections.why = null;
  state.preVotes = null;
  state.transferringToSelf = false;
  state.resetElectionDeadline();
  state.setTerm(Math.max(state.term, state.termFloor) + 1, state.selfId);
  state.leaderOfTerm = null;
  state.votes = new Set();
  state.setRole("candidate", null);
  state.claims.clear();
  for (const peer of peers) {
    const claimed = claimFor(state, peer, answers);
    noteLaterEnd(state, peer, claimed, answers);
    const known = state.peers.get(peer);
    if (claimed !== state.log.lastTerm && known !== undefined) {
      state.claims.set(peer, { lastIndex: known.lastIndex, lastTerm: claimed });
    }
    state.sendAfterMeta([peer], {
      type: "request_vote",
      term: state.term,
      lastLogIndex: state.log.lastIndex,
      lastLogTerm: claimed,
    });
  }
  // Our own vote counts when it is durable: see onDurable in core.ts.
}

/** Our vote for ourselves, or a peer's for us. */
export function countVote(state: RaftState, voter: string): void {
  if (state.isLeader) {
    // It comes late, and behind every answer to an earlier leadership of ours.
    const progress = state.progress.get(voter);
    if (progress !== undefined) progress.staleAnswers = 0;
    if (state.inquest !== null) {
      state.votes.add(voter);
      onLateVote(state, state.inquest);
    }
  }
  if (state.role !== "candidate" || state.votedFor !== state.selfId) return;
  state.votes.add(voter);
  if (!state.votes.has(state.selfId)) return;
  const members = [...state.votes].filter((v) => v === state.selfId || state.members.has(v));
  if (members.length >= state.majority) winElection(state);
}
