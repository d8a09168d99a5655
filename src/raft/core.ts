import type { PeerMessage } from "../../protocol/wire/messages.js";
import {
  considerCampaign,
  countVote,
  onPeerStatus,
  onPreVoteAnswer,
  roundTick,
} from "./campaign.js";
import { advanceLeaderCommit } from "./commit.js";
import { beginLook, onLookStatus } from "./first-look.js";
import { onFromLeader, onMessageTooLarge } from "./follower.js";
import { needsCandidateGuard } from "./guards/candidate-guard.js";
import { inquestTick, onInquestAnswer } from "./inquest.js";
import { leaderTick } from "./leader.js";
import { Progress } from "./progress.js";
import { onPropose } from "./propose.js";
import { isAnswerBeyondReach, isMessageBeyondReach } from "./reach.js";
import { onNextNodeIdx, replicate, replicateToOne, tellCommit } from "./replicate.js";
import {
  onDumpWritten,
  onSnapshotNotSent,
  onSnapshotReceived,
  onSnapshotSent,
} from "./snapshot.js";
import { RaftState } from "./state.js";
import { onSnapshotRefused } from "./too-large.js";
import { giveUp, goOnWithTransfer, onTimeoutNow, onTransfer } from "./transfer.js";
import type {
  Effect,
  InitialState,
  Input,
  PeerStatus,
  ProposalOrigin,
  RaftConfig,
} from "./types.js";
import { onPreVote, onRequestVote, reconsiderVote } from "./vote.js";

/**
 * The deterministic core. `step` takes one input and the time and returns what is to be done; it
 * does no I/O and knows no clock and no chance but those it is given.
 *
 * The contract for carrying effects out: in order; a `send` or `answer` with `after` leaves only
 * when the write with that `seq` is durable, and messages to one receiver never overtake each other;
 * `durable` is reported after those messages have left.
 */
export class RaftCore {
  readonly state: RaftState;

  constructor(config: RaftConfig, initial: InitialState, nowMs: number) {
    this.state = new RaftState(config, initial, nowMs);
    this.state.replayMembership(this.state.log.firstIndex);
    const { log, term } = this.state;
    // The last entry's term is too small where a term dips: take the largest of all.
    if (log.maxTerm > term) this.state.setTerm(log.maxTerm, null);
    if (this.state.commitIndex > this.state.applyingTo) {
      const entries = log.slice(this.state.applyingTo + 1, this.state.commitIndex);
      this.state.applyingTo = this.state.commitIndex;
      this.state.emit({ kind: "apply", entries });
    }
  }

  /** Effects of the construction itself: the replay of what is known to be committed. */
  begin(): Effect[] {
    return this.state.takeEffects();
  }

  step(input: Input, nowMs: number): Effect[] {
    const state = this.state;
    state.nowMs = nowMs;
    if (!state.halted) this.dispatch(input);
    return state.takeEffects();
  }

  /** When the next tick is due at the latest, in the time that `step` is given. */
  nextTickMs(): number {
    const { state } = this;
    if (state.isLeader) {
      return state.inquest === null
        ? Math.min(state.nextHeartbeatMs, state.waitingDueMs)
        : state.nowMs + state.config.heartbeatMs / 4;
    }
    const due = state.round?.askAgainMs ?? state.electionDeadlineMs;
    return Math.min(due, state.electionDeadlineMs);
  }

  private dispatch(input: Input): void {
    const { state } = this;
    switch (input.kind) {
      case "tick":
        this.tick();
        break;
      case "message":
        this.onMessage(input.from, input.message);
        break;
      case "connected":
        this.onConnected(input.peer);
        break;
      case "disconnected":
        this.onDisconnected(input.peer);
        break;
      case "observer-connected":
        state.observers.add(input.id);
        this.greet(input.id);
        break;
      case "observer-disconnected":
        state.observers.delete(input.id);
        this.forget(input.id);
        break;
      case "peer-is-quorate":
        this.onQuorate(input.peer);
        break;
      case "peer-status":
        this.onPeerStatus(input.peer, input.question, input.status);
        break;
      case "durable":
        this.onDurable(input.seq);
        break;
      case "applied":
        state.lastApplied = Math.max(state.lastApplied, Math.min(input.index, state.applyingTo));
        break;
      case "propose":
        onPropose(state, input.proposals);
        break;
      case "turn-ended":
        if (state.owesCommit) replicate(state, false);
        break;
      case "dump-written":
        onDumpWritten(state, input.previousIndex);
        break;
      case "snapshot-sent":
        onSnapshotSent(state, input.to, input.lastIndex);
        break;
      case "snapshot-not-sent":
        onSnapshotNotSent(state, input.to);
        break;
      case "snapshot-received":
        onSnapshotReceived(state, input.from, input.term, input.summary);
        break;
      case "snapshot-refused":
        onSnapshotRefused(state, input);
        break;
      case "message-too-large":
        onMessageTooLarge(state, input.from);
        break;
      case "transfer":
        onTransfer(state, input.target, input.id);
        break;
      case "told-members":
        state.membership.welcome(input.members);
        break;
      case "disk":
        this.onDisk(input.usable);
        break;
      case "held-back":
        this.onHeldBack(input.isHeldBack);
        break;
    }
  }

  private onDisk(usable: boolean): void {
    this.state.diskUsable = usable;
    if (!usable && this.state.role !== "follower") giveUp(this.state);
  }

  private tick(): void {
    const { state } = this;
    state.cuts.ticked();
    if (state.isLeader) {
      inquestTick(state);
      if (state.isLeader) leaderTick(state);
      return;
    }
    state.cuts.forget();
    roundTick(state);
    if (
      state.role !== "leader" &&
      state.round === null &&
      state.nowMs >= state.electionDeadlineMs
    ) {
      state.transferringToSelf = false;
      considerCampaign(state);
    }
  }

  /** It votes: its log is whole. But what it holds stands still, so that it could judge no write. */
  private onHeldBack(isHeldBack: boolean): void {
    const { state } = this;
    state.isHeldBack = isHeldBack;
    if (!isHeldBack) return;
    state.round = null;
    state.preVotes = null;
    state.transferringToSelf = false;
    if (state.role !== "follower") giveUp(state);
  }

  private onMessage(from: string, message: PeerMessage): void {
    const { state } = this;
    if (message.type === "next_node_idx") {
      if (state.inquest === null) {
        onNextNodeIdx(state, from, message);
        goOnWithTransfer(state);
      } else onInquestAnswer(state, from, message);
    } else if (message.type === "apply_command") {
      const { command, requestId } = message;
      const origin: ProposalOrigin =
        requestId === null ? { kind: "nobody" } : { kind: "remote", from, requestId };
      onPropose(state, [{ command, origin }]);
    } else if (state.members.has(from) || mayHearGuest(state, from, message)) {
      // Votes and leadership are for members: an observer, or a member just removed, has none.
      this.onMemberMessage(from, message);
    }
  }

  private onMemberMessage(from: string, message: PeerMessage): void {
    const { state } = this;
    if ("term" in message && isMessageBeyondReach(state, from, message.term)) return;
    if ("term" in message && message.term > state.term && state.isBehindWithTerms) {
      const text = `${from} names term ${message.term} while the disk has yet to store many: it has to wait`;
      state.note("warn", "terms-wait-for-disk", text);
      return;
    }
    switch (message.type) {
      case "request_vote":
        onRequestVote(state, from, message);
        break;
      case "response_vote":
        if (message.term === state.term) countVote(state, from);
        break;
      case "append_entries":
      case "append_chunk":
      case "install_snapshot":
        onFromLeader(state, from, message);
        break;
      case "timeout_now":
        onTimeoutNow(state, from, message.term);
        break;
      case "quorate_pre_vote":
        onPreVote(state, from, message);
        break;
      case "quorate_pre_vote_answer":
        onPreVoteAnswer(state, from, message);
        break;
      default:
        // Answers to proposals, hello and pings are the runtime's business.
        break;
    }
  }

  /**
   * Questions travel on connections of their own, so an answer may come when the link on which it was
   * asked has given way to a new one. It tells of a time before it: where the peer's term has risen
   * since then, of one that looks as if it had gone back.
   */
  private onPeerStatus(peer: string, question: number, told: PeerStatus | null): void {
    const { state } = this;
    if (!state.membership.hears(peer) || question <= state.knowledge(peer).questionBefore) return;
    const status = told === null || isAnswerBeyondReach(state, peer, told.term) ? null : told;
    onPeerStatus(state, peer, question, status);
    if (status !== null) reconsiderVote(state, peer);
    if (onLookStatus(state, peer, status)) this.leaderGreets(peer);
  }

  private onDurable(seq: number): void {
    const { state } = this;
    if (seq <= state.durableSeq) return;
    state.durableSeq = seq;
    state.dropped.durable(seq);
    while (state.pendingLogWrites[0] !== undefined && state.pendingLogWrites[0].seq <= seq) {
      const write = state.pendingLogWrites.shift();
      if (write !== undefined) state.durableIndex = Math.max(state.durableIndex, write.lastIndex);
    }
    state.durableIndex = Math.min(state.durableIndex, state.log.lastIndex);
    state.ballotsDurable(seq);
    if (state.role === "candidate" && state.metaSeq <= seq) countVote(state, state.selfId);
    const before = state.commitIndex;
    advanceLeaderCommit(state);
    if (state.commitIndex > before) tellCommit(state);
  }

  private onConnected(peer: string): void {
    const { state } = this;
    if (!state.membership.hears(peer)) return;
    state.connected.add(peer);
    state.knowledge(peer).linkOpened(state.question);
    state.silences.delete(peer);
    // Its version tells whether leadership can be handed to it; its term, whether it forgot.
    state.askStatus(peer);
    this.greet(peer);
  }

  private onQuorate(peer: string): void {
    const { state } = this;
    if (!state.membership.hears(peer)) return;
    state.knowledge(peer).isQuorate = true;
    const progress = state.progress.get(peer);
    if (progress === undefined || progress.look === null) return;
    progress.look = null;
    if (state.isLeader && state.inquest === null) this.leaderGreets(peer);
  }

  /** A new link to a leader begins with a message, so that the receiver knows who leads. */
  private greet(id: string): void {
    const { state } = this;
    if (!state.isLeader || state.guests.has(id)) return;
    const progress = state.progress.get(id) ?? new Progress(state.log.lastIndex + 1, state.nowMs);
    // No answer yet: a new link alone keeps no leader in its place.
    progress.linkLost();
    state.progress.set(id, progress);
    state.nextHeartbeatMs = Math.min(state.nextHeartbeatMs, state.nowMs);
    const isLooking = beginLook(state, id, progress);
    if (state.inquest === null && !isLooking) this.leaderGreets(id);
  }

  private leaderGreets(id: string): void {
    const progress = this.state.progress.get(id);
    if (progress === undefined) return;
    replicateToOne(this.state, id);
    if (progress.unanswered === 0) this.state.nextHeartbeatMs = this.state.nowMs;
  }

  private onDisconnected(peer: string): void {
    const { state } = this;
    state.connected.delete(peer);
    if (state.gaveWay?.to === peer) state.gaveWay = null;
    if (state.wholeDump?.from === peer) state.wholeDump.isLinkLost = true;
    if (peer === state.leader && state.role === "follower") this.onLeaderLinkLost();
    const progress = this.state.progress.get(peer);
    if (progress?.mode === "snapshot") this.state.emit({ kind: "cancel-snapshot", to: peer });
    progress?.linkLost();
  }

  /**
   * A closed link to the leader is a hint, not a verdict: among Quorate members it starts a pre-vote
   * soon, which those refuse that still hear the leader.
   */
  private onLeaderLinkLost(): void {
    const { state } = this;
    state.leaderHeardMs = Number.NEGATIVE_INFINITY;
    if (needsCandidateGuard(state)) return;
    const soonMs = state.nowMs + state.config.heartbeatMs * state.config.random();
    state.electionDeadlineMs = Math.min(state.electionDeadlineMs, soonMs);
  }

  private forget(id: string): void {
    const progress = this.state.progress.get(id);
    if (progress?.mode === "snapshot") this.state.emit({ kind: "cancel-snapshot", to: id });
    this.state.progress.delete(id);
  }
}

/**
 * A guest's word counts where nobody else leads: whoever is taken out hears no leader any more, and
 * must not unseat the one that is about to commit that. Of a leader of a later term it always does.
 */
function mayHearGuest(state: RaftState, from: string, message: PeerMessage): boolean {
  if (!state.guests.has(from)) return false;
  if (message.type !== "request_vote" && message.type !== "quorate_pre_vote") return true;
  const heardMs = state.isLeader ? state.nowMs : state.leaderHeardMs;
  return state.nowMs - heardMs >= state.config.electionTimeoutMsMin;
}
