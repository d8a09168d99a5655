import type { PeerStatus } from "./types.js";

/** A leader's first look at a member on a new link: see first-look.ts. */
export interface Look {
  readonly startedMs: number;
  /** When it was last asked for its state. */
  askedMs: number;
  /** When it has first answered what keeps it quiet. */
  answeredMs: number | null;
  status: PeerStatus | null;
  /** Down to which term it was asked whether it holds what is committed here; null where it was not. */
  triedTo: number | null;
  /** In how many terms. */
  tried: number;
  /** At which index: what is committed goes on meanwhile, and each of these terms was asked for at this one. */
  triedAt: number;
  /** It has shown that it does not. */
  differs: boolean;
}

/** What a leader knows of one follower or observer. */
export class Progress {
  /** Next entry to send. Optimistic while `mode` is 'replicate'. */
  nextIndex: number;
  /** The follower holds our log up to here, by an answer to this leadership. Never from an old one. */
  matchIndex = 0;
  /**
   * It has said on the present link what it holds: until then it may have lost its disk, and hold nothing of
   * that. That a piece of an entry has come says nothing.
   */
  isMatchFresh = false;
  /** 'probe': one question at a time; 'replicate': pipelined; 'snapshot': a dump is on its way. */
  mode: "probe" | "replicate" | "snapshot" = "probe";
  /** Messages sent on the present link that were not answered yet. */
  unanswered = 0;
  /** So many of those the receiver may have passed over when it followed nobody. */
  private writtenOff = 0;
  inFlightBytes = 0;
  /** Sizes of the messages in flight, oldest first. */
  readonly inFlightSizes: number[] = [];
  /**
   * Answers still to come on this link that belong to an earlier leadership of ours: next_node_idx
   * carries no term, so they are told apart by counting.
   */
  staleAnswers = 0;
  lastAnswerMs: number;
  lastSentMs = 0;
  /** When it last proposed something. */
  proposedMs = Number.NEGATIVE_INFINITY;
  /** Commit index that the last message told. */
  toldCommit = 0;

  /** Nothing that could cut its log is sent as long as this is under way. */
  look: Look | null = null;

  /** Where the follower last said that it holds another entry than we do; 0 where it did not. */
  conflictAt = 0;

  /** A dump up to this index has been sent, and may still be in the receiver's works until then. */
  loading: { index: number; untilMs: number } | null = null;

  /** When it is sent something again, as an observer, after it has said that it begins elsewhere. */
  beginsMs = Number.NEGATIVE_INFINITY;

  /** When the latest dump was begun. */
  dumpBegunMs = Number.NEGATIVE_INFINITY;

  constructor(nextIndex: number, nowMs: number) {
    this.nextIndex = nextIndex;
    this.lastAnswerMs = nowMs;
  }

  sent(bytes: number, nowMs: number): void {
    this.unanswered += 1;
    this.inFlightBytes += bytes;
    this.inFlightSizes.push(bytes);
    this.lastSentMs = nowMs;
  }

  /** One answer came; returns false where it belongs to an earlier leadership. */
  answered(nowMs: number): boolean {
    this.lastAnswerMs = nowMs;
    if (this.staleAnswers > 0) {
      this.staleAnswers -= 1;
      return false;
    }
    if (this.unanswered > 0) {
      this.unanswered -= 1;
      this.writtenOff = Math.min(this.writtenOff, this.unanswered);
      this.inFlightBytes -= this.inFlightSizes.shift() ?? 0;
    }
    return true;
  }

  /** How many answers are waited for before more is sent. */
  get owed(): number {
    return this.unanswered - this.writtenOff;
  }

  /**
   * It answers, and holds our log up to where it says: what it owes from before holds nothing up, and is
   * still counted, for an answer carries no term.
   */
  writeOff(): void {
    this.writtenOff = this.unanswered;
    this.inFlightBytes = 0;
    this.inFlightSizes.length = 0;
  }

  /** Forget what is in flight: the link broke, so nothing of it will be answered. */
  linkLost(): void {
    this.unanswered = 0;
    this.writtenOff = 0;
    this.inFlightBytes = 0;
    this.inFlightSizes.length = 0;
    this.staleAnswers = 0;
    this.loading = null;
    this.conflictAt = 0;
    this.look = null;
    this.isMatchFresh = false;
    this.nextIndex = this.matchIndex > 0 ? this.matchIndex + 1 : this.nextIndex;
    this.mode = "probe";
  }
}
