import type { Entry } from "../../protocol/log/entry.js";
import type { EntryPieces } from "../../protocol/wire/entry-pieces.js";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import type { CampaignRound } from "./campaign.js";
import { Cuts } from "./cuts.js";
import { DroppedEntries } from "./dropped.js";
import { beginLook } from "./first-look.js";
import type { Inquest } from "./inquest.js";
import { raftLimits } from "./limits.js";
import { MembersTold } from "./members-told.js";
import { Membership, type MembershipHost } from "./membership.js";
import { PeerKnowledge } from "./peer-knowledge.js";
import { Progress } from "./progress.js";
import { RaftLog } from "./raft-log.js";
import type { Refused } from "./too-large.js";
import type { Effect, GuardName, InitialState, Note, RaftConfig, Role } from "./types.js";
import { noElections } from "./vain-elections.js";

/** Where a log ends. */
export interface LogEnd {
  readonly lastIndex: number;
  readonly lastTerm: number;
}

/** Where the log of a peer ends that keeps us from leading. */
export interface LaterEnd extends LogEnd {
  readonly peer: string;
}

/** A term and the vote given in it. */
export interface Ballot {
  readonly term: number;
  readonly votedFor: string | null;
}

/**
 * The member's state and the few verbs that change it. Every module of this house works on it; none
 * keeps state of its own. The verbs keep the invariants that stand on the fields.
 */
export class RaftState {
  readonly config: RaftConfig;
  log: RaftLog;
  nowMs: number;

  /** Never goes back. In memory it may be ahead of the disk: `metaSeq` says when it is durable. */
  term: number;
  /** Changes from null to a name once a term, and never again within it. */
  votedFor: string | null;
  role: Role = "follower";
  leader: string | null = null;
  /** Whom append_entries of this term came from; a second one in the same term is refused. */
  leaderOfTerm: { term: number; leader: string } | null = null;

  /**
   * commitIndex ≤ log.lastIndex; lastApplied ≤ commitIndex; neither goes back but by a conflict, or by a
   * dump that we take while we must refetch.
   */
  commitIndex: number;
  /** The store holds the effects up to here: the runtime has said so. */
  lastApplied: number;
  /** Last index of our dump, or 1: what the store cannot be built again without. */
  dumpIndex: number;
  /** Entries up to here have been given out in `apply` effects. */
  applyingTo: number;

  readonly membership: Membership;
  /** The other voting members, and who is heard besides them. */
  readonly members: Membership["members"];
  readonly guests: Membership["guests"];
  readonly connected = new Set<string>();
  readonly observers = new Set<string>();
  /** As the leader: when those are due that were passed over (see pace.ts). */
  waitingDueMs = Number.POSITIVE_INFINITY;
  readonly cuts = new Cuts();
  readonly progress = new Map<string, Progress>();
  readonly peers = new Map<string, PeerKnowledge>();
  /** Terms up to here may have been led twice: see forgetful-voters.ts. Never goes back. */
  secondTerm: number;
  /** In terms up to here we may have voted and not know it any more: no vote of ours, and no campaign, in these. */
  readonly termFloor: number;
  /** The peer for whose log no vote of its own can vouch, so that nobody leads: see inquest.ts. */
  unprovenLog: { peer: string; lastTerm: number } | null = null;
  /** The peer that is told no claim, so that nobody leads: see covered-claim.ts. */
  laterEnd: LaterEnd | null = null;
  readonly vainElections = noElections();

  /** Sequence number of the latest write effect, and the highest that is durable. */
  seq = 0;
  durableSeq = 0;
  /** The latest term or vote is durable when this write is; likewise the log. */
  metaSeq = 0;
  logSeq = 0;
  /** The journal has been cut behind our latest dump when this write is durable. */
  compactSeq = 0;
  /** Whether files are missing is on the disk when this write is. */
  private markSeq = 0;
  /** All entries up to here are durable. */
  durableIndex: number;
  readonly pendingLogWrites: { seq: number; lastIndex: number }[] = [];
  private durableBallot: Ballot;
  private readonly pendingBallots: (Ballot & { readonly seq: number })[] = [];

  electionDeadlineMs: number;
  /** When a message of a leader was last accepted. */
  leaderHeardMs = Number.NEGATIVE_INFINITY;
  votes = new Set<string>();
  /** The log ends of which our requests for a vote claimed the term, where ours is lower. */
  readonly claims = new Map<string, LogEnd>();
  round: CampaignRound | null = null;
  /** Number of the latest status question; each has one of its own. */
  question = 0;
  /** Since when, and until when at least, a connected peer has answered no status question. */
  readonly silences = new Map<string, { sinceMs: number; lastMs: number }>();
  inquest: Inquest | null = null;
  /** The peer whose log turned out to hold all of ours: it may have our vote until then. */
  gaveWay: { to: string; untilMs: number; tried: ReadonlySet<number> | null } | null = null;
  /** Whom we ask for pre-votes for `term + 1`, and who grants; null where none is under way. */
  preVotes: { peers: readonly string[]; granted: Set<string> } | null = null;
  /** Set by timeout_now: same-term heartbeats of the outgoing leader do not stop the campaign. */
  transferringToSelf = false;
  /** No target yet: whoever has caught up first. */
  transfer: { target: string | null; deadlineMs: number } | null = null;
  /** Who was asked to take this leadership over and did not, since all who could were asked. */
  readonly tookNotOver = new Set<string>();
  /** Index of this leadership's no-op; membership changes wait until it is applied. */
  noOpIndex = 0;
  membershipChangeIndex = 0;
  uncommittedBytes = 0;
  nextHeartbeatMs = 0;
  /** A commit index is to be told when the turn ends: see `tellsAtTurnEnd`. */
  owesCommit = false;

  mustRefetch: boolean;
  /** Up to which term we have taken part is lost as well: see forgotten-term.ts. */
  forgotTerm: boolean;
  /** The members did not know us when we came. */
  readonly isJoining: boolean;
  /** Began without any files, and knows no more of its past than that: see history.ts. */
  isBlank: boolean;
  diskUsable = true;
  /** Some of what is committed is not applied: the data would be more than this member holds. */
  isHeldBack = false;
  halted = false;
  /** Pieces of a large entry that the leader is sending. */
  transmission: { from: string; pieces: EntryPieces } | null = null;
  /** An entry or a dump that we do not take. */
  tooLarge: Refused | null = null;
  /**
   * Where the leader was told to look, after a conflict that it has not resolved yet; 1 where the head
   * of our log is in conflict, so that only its dump can help. A vanilla leader sends on before it hears
   * of it, and believes the last answer: to tell it again, for what comes behind, that our log ends here,
   * or that it is to look further on, would have it ask at the same place for ever.
   */
  conflictNext: number | null = null;
  /** All of log and dump is kept beside, for a leader whose dump will take their place. */
  isConflictKept = false;
  /** The leader's dump has to take the place of ours, which holds something else. */
  awaitsDump = false;
  /** When all that may be demanded at once may be again: see yield-committed.ts. */
  yieldedUntilMs = Number.NEGATIVE_INFINITY;
  /** The leader whose dump is on its way to us. */
  incomingSnapshot: { from: string; term: number } | null = null;
  /** Whose dump was the last to come whole, which takes long to read, and whether its link is gone since. */
  wholeDump: { from: string; isLinkLost: boolean } | null = null;

  readonly dropped = new DroppedEntries();

  private effects: Effect[] = [];
  private readonly membersTold = new MembersTold();

  constructor(config: RaftConfig, initial: InitialState, nowMs: number) {
    this.config = config;
    this.nowMs = nowMs;
    this.log = new RaftLog(initial.entries);
    this.term = initial.term;
    this.votedFor = initial.votedFor;
    this.durableBallot = { term: initial.term, votedFor: initial.votedFor };
    this.mustRefetch = initial.mustRefetch;
    this.forgotTerm = initial.forgotTerm === true;
    this.isJoining = initial.isJoining === true;
    this.secondTerm = initial.secondTerm ?? 0;
    this.termFloor = initial.termFloor ?? 0;
    this.isBlank = initial.isNew === true;
    this.commitIndex = Math.min(
      Math.max(initial.commitIndex, initial.appliedIndex),
      this.log.lastIndex,
    );
    this.lastApplied = initial.appliedIndex;
    this.dumpIndex = initial.appliedIndex;
    this.applyingTo = initial.appliedIndex;
    this.durableIndex = this.log.lastIndex;
    this.membership = new Membership(this.membershipHost(), {
      members: initial.members,
      guests: initial.guests ?? [],
      areTold: initial.areMembersTold === true,
    });
    this.members = this.membership.members;
    this.guests = this.membership.guests;
    this.electionDeadlineMs = nowMs + this.randomElectionMs();
  }

  get entryBytesMax(): number {
    return this.config.entryBytesMax ?? raftLimits.entryBytesMax;
  }

  /** Bytes of entries that we hold, as a follower, beyond what is applied. */
  get followedBytesMax(): number {
    return Math.min(raftLimits.followedBytesMax, this.config.dataBytesMax ?? Infinity);
  }

  /** Bytes that the log may come to, committed or not, in memory and on disk. */
  get logBytesMax(): number {
    return this.config.logBytesMax ?? raftLimits.logBytesMax;
  }

  /** Which part of the bounds on what is not committed is ours: followers with our settings take all of it. */
  get uncommittedShare(): number {
    return this.followedBytesMax / raftLimits.followedBytesMax;
  }

  guarded(name: GuardName): boolean {
    return this.config.guardsOff?.has(name) !== true;
  }

  get selfId(): string {
    return this.config.selfId;
  }

  get isLeader(): boolean {
    return this.role === "leader";
  }

  /**
   * The term and vote that may be told to anybody who asks: what is on the disk, as in every other
   * message. While a full or hanging disk takes nothing, those in memory: the member neither votes nor
   * leads, and a candidate that waited for it to show a new term would wait for as long.
   */
  get shownBallot(): Ballot {
    return this.diskUsable ? this.durableBallot : { term: this.term, votedFor: this.votedFor };
  }

  /** Whether a restart would find that files are missing, or might: what may be told to anybody who asks. */
  get showsMissing(): boolean {
    return this.mustRefetch || this.durableSeq < this.markSeq;
  }

  /** Votes, or members reached, that make a majority: self included. */
  get majority(): number {
    return Math.floor((this.members.size + 1) / 2) + 1;
  }

  /** Members that are connected, self not included. */
  connectedMembers(): string[] {
    return [...this.members].filter((member) => this.connected.has(member));
  }

  knowledge(peer: string): PeerKnowledge {
    const known = this.peers.get(peer) ?? new PeerKnowledge();
    this.peers.set(peer, known);
    return known;
  }

  randomElectionMs(): number {
    const { electionTimeoutMsMin: min, electionTimeoutMsMax: max, random } = this.config;
    return min + (max - min) * random();
  }

  resetElectionDeadline(): void {
    this.electionDeadlineMs = this.nowMs + this.randomElectionMs();
  }

  emit(effect: Effect): void {
    this.effects.push(effect);
  }

  takeEffects(): Effect[] {
    const told = this.membersTold.take(this);
    if (told.length > 0) this.effects.push(...told);
    const { effects } = this;
    this.effects = [];
    return effects;
  }

  note(level: Note["level"], code: string, text: string): void {
    this.emit({ kind: "note", note: { level, code, text } });
  }

  askStatus(peer: string): void {
    this.question += 1;
    this.emit({ kind: "ask-status", peer, question: this.question });
  }

  /** Sends what reveals the term only: leaves when the term is durable. */
  sendAfterMeta(to: readonly string[], message: PeerMessage): void {
    if (to.length > 0) this.emit({ kind: "send", to, message, after: this.metaSeq });
  }

  /** Sends what reveals that we hold entries: leaves when log and term are durable. */
  sendAfterLog(to: string, message: PeerMessage): void {
    this.emit({
      kind: "send",
      to: [to],
      message,
      after: Math.max(this.metaSeq, this.logSeq),
    });
  }

  /** The only place where the term and the vote change. */
  setTerm(term: number, votedFor: string | null): void {
    if (term < this.term) throw new Error(`the term goes back from ${this.term} to ${term}`);
    if (term === this.term && this.votedFor !== null && votedFor !== this.votedFor) {
      throw new Error(`a second vote in term ${term}`);
    }
    this.term = term;
    this.votedFor = votedFor;
    // It has taken part: what the cluster has from now on is no history that it may have forgotten.
    if (votedFor !== null) this.isBlank = false;
    this.seq += 1;
    this.metaSeq = this.seq;
    this.pendingBallots.push({ seq: this.seq, term, votedFor });
    this.emit({ kind: "meta", seq: this.seq, term, votedFor });
  }

  /** Whether so many terms and votes wait for the disk that a higher one has to wait as well. */
  get isBehindWithTerms(): boolean {
    const { ballotsWaitingMax, ballotsWithoutDiskMax } = raftLimits;
    // A disk that is full stores none for hours, and others look at our term meanwhile: see shownBallot.
    const waitingMax = this.diskUsable ? ballotsWaitingMax : ballotsWithoutDiskMax;
    return this.pendingBallots.length >= waitingMax;
  }

  /** Writes up to this one are durable: so are the terms and votes among them. */
  ballotsDurable(seq: number): void {
    while (this.pendingBallots[0] !== undefined && this.pendingBallots[0].seq <= seq) {
      this.durableBallot = this.pendingBallots.shift() ?? this.durableBallot;
    }
  }

  /** Appends to the log and to the disk; membership changes take effect at once, as upstream's do. */
  appendEntries(entries: readonly Entry[]): void {
    if (entries.length === 0) return;
    this.isConflictKept = false;
    this.log.append(entries);
    this.forgetTooLarge();
    this.seq += 1;
    this.logSeq = this.seq;
    this.pendingLogWrites.push({ seq: this.seq, lastIndex: this.log.lastIndex });
    this.emit({ kind: "append", seq: this.seq, entries });
    for (const entry of entries) this.membership.apply(entry, this.commitIndex);
  }

  /** Drops entries from the log and the disk; their membership changes are rolled back. */
  truncateFrom(index: number): void {
    const gone = this.log.truncate(index).reverse();
    this.membership.undoFrom(index);
    this.seq += 1;
    this.logSeq = this.seq;
    this.dropped.cut(gone, this.durableIndex, this.seq);
    this.durableIndex = Math.min(this.durableIndex, this.log.lastIndex);
    for (const write of this.pendingLogWrites) {
      write.lastIndex = Math.min(write.lastIndex, this.log.lastIndex);
    }
    this.pendingLogWrites.push({ seq: this.seq, lastIndex: this.log.lastIndex });
    this.emit({ kind: "truncate", seq: this.seq, fromIndex: index });
  }

  /** A received dump's two entries, and what follows them, become the log. */
  replaceLog(entries: readonly Entry[]): void {
    this.log = new RaftLog(entries);
    this.forgetTooLarge();
    this.seq += 1;
    this.logSeq = this.seq;
    this.durableIndex = 0;
    this.pendingLogWrites.length = 0;
    this.pendingLogWrites.push({ seq: this.seq, lastIndex: this.log.lastIndex });
    this.membership.forgetChanges();
  }

  /** Takes over the changes of membership that the log holds, at start and after a snapshot. */
  replayMembership(from: number): void {
    for (const entry of this.log.slice(from, this.log.lastIndex)) {
      this.membership.apply(entry, this.commitIndex);
    }
  }

  setMustRefetch(missing: boolean, forgotTerm = this.forgotTerm): void {
    if (missing === this.mustRefetch && forgotTerm === this.forgotTerm) return;
    this.mustRefetch = missing;
    this.forgotTerm = forgotTerm;
    this.seq += 1;
    this.metaSeq = this.seq;
    this.markSeq = this.seq;
    this.emit({ kind: "must-refetch", seq: this.seq, missing, forgotTerm });
  }

  raiseSecondTerm(term: number): void {
    if (term <= this.secondTerm) return;
    this.secondTerm = term;
    this.seq += 1;
    this.emit({ kind: "second-term", seq: this.seq, term });
  }

  keepConflict(entries: readonly Entry[], leader: string, withDump: boolean): void {
    this.seq += 1;
    this.emit({ kind: "conflict", seq: this.seq, entries, withDump, leader });
  }

  /** @param after The write before which it must not be stored: by default that of the log. */
  saveCommit(index: number, after: number = this.logSeq): void {
    this.emit({ kind: "save-commit", index, after });
  }

  setRole(role: Role, leader: string | null): void {
    if (this.role === role && this.leader === leader) return;
    this.role = role;
    this.leader = leader;
    this.emit({ kind: "leadership", role, leader, term: this.term });
  }

  /** Another entry, or a dump, has taken its place. */
  private forgetTooLarge(): void {
    if (this.tooLarge !== null && this.log.lastIndex >= this.tooLarge.index) this.tooLarge = null;
  }

  private membershipHost(): MembershipHost {
    return {
      selfId: this.selfId,
      memberAdded: (address) => {
        if (!this.isLeader) return;
        const progress = new Progress(this.log.lastIndex + 1, this.nowMs);
        this.progress.set(address, progress);
        // As a guest it has a link already, and no greeting comes.
        if (this.connected.has(address) && beginLook(this, address, progress)) {
          this.askStatus(address);
        }
      },
      memberGone: (address) => this.progress.delete(address),
      strangerNow: (address) => {
        this.membersTold.parted(address);
        this.connected.delete(address);
        this.peers.delete(address);
        this.silences.delete(address);
      },
      membersChanged: () => this.membersTold.changed(),
    };
  }
}
