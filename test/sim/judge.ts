import type { Entry } from "../../protocol/log/entry.js";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import type { MemberStatus } from "../../protocol/wire/utility.js";
import { AcknowledgedStays } from "./checkers/acknowledged.js";
import { AnswerFirst } from "./checkers/answer-first.js";
import { AskedFirst } from "./checkers/asked-first.js";
import { type Bounds, WithinBounds } from "./checkers/bounds.js";
import type { Checker, MemberView, Question, Told } from "./checkers/checker.js";
import { DurableCommit } from "./checkers/durable-commit.js";
import { DurableBeforeSent } from "./checkers/durable-first.js";
import { ElectionSafety } from "./checkers/election-safety.js";
import { IndexOrder } from "./checkers/index-order.js";
import { LeaderCompleteness } from "./checkers/leader-completeness.js";
import { LogMatching } from "./checkers/log-matching.js";
import { MajorityHolds } from "./checkers/majority-holds.js";
import { OneVoteATerm } from "./checkers/one-vote.js";
import { ConfirmedIsKept } from "./checkers/promises.js";
import { StoreIsFold } from "./checkers/store-fold.js";
import { TermsNeverGoBack } from "./checkers/terms.js";
import type { DurableFiles } from "./durable-files.js";
import { History } from "./history.js";
import type { Standing } from "./standing.js";

/** A machine as others see it who ask how its log ends. */
export interface Holder {
  /** Null where that is not to be seen from outside. */
  lastEntry(): Entry | null;
}

/** Whom the judge may look at. */
export interface Bench {
  /** Quorate members that run. */
  views(): Iterable<MemberView>;
  /** All members that run. */
  standings(): Iterable<Standing>;
  /** Those of all machines that hold the entry, whether their members run or not. */
  holders(index: number, term: number): readonly Holder[];
  /** How many machines there are. */
  readonly size: number;
  say(who: string, what: string): void;
}

/** Says whether what happens keeps the promises. Each call throws a Violation where it does not. */
export interface Judge {
  readonly acknowledged: number;
  readonly committed: number;
  /** A Quorate member has come to rest after an event. */
  look(member: MemberView, bench: Bench): void;
  /** A vanilla member has. */
  lookAtVanilla(standing: Standing, bench: Bench): void;
  sent(from: MemberView, to: string, message: PeerMessage, bench: Bench): void;
  /** A message has reached a Quorate member, whoever sent it. */
  received(member: MemberView, from: string, message: PeerMessage): void;
  /** A Quorate member asks another member for its status, and is told. */
  asked(member: MemberView, question: Question): void;
  answered(member: MemberView, question: Question, status: MemberStatus): void;
  told(told: Told, bench: Bench): void;
  lostDisk(address: string): void;
  linked(address: string, peer: string): void;
  /** @param haveAgreed False: nobody had to lead in the end. */
  end(bench: Bench, haveAgreed: boolean): void;
}

/** Of Quorate members alone: every promise holds, always. */
export class StrictJudge implements Judge {
  readonly #history = new History();
  readonly #acknowledged = new AcknowledgedStays(this.#history);
  readonly #disks = new Map<string, DurableFiles>();
  readonly #checkers: Checker[] = [
    new ElectionSafety(),
    new LogMatching(),
    new LeaderCompleteness(this.#history),
    new TermsNeverGoBack(),
    new OneVoteATerm(),
    new StoreIsFold(this.#history),
    new IndexOrder(),
    this.#acknowledged,
    new ConfirmedIsKept(true),
    new DurableBeforeSent(),
    new DurableCommit(this.#history),
    new AnswerFirst(),
    new AskedFirst(),
    new MajorityHolds(this.#disks),
  ];
  readonly #looked = new Map<string, { life: number; commit: number }>();

  /** @param bounds What each member may hold, where that is little. */
  constructor(bounds: Bounds | null = null) {
    if (bounds !== null) this.#checkers.push(new WithinBounds(bounds));
  }

  get acknowledged(): number {
    return this.#acknowledged.count;
  }

  get committed(): number {
    return this.#history.lastIndex;
  }

  look(view: MemberView, bench: Bench): void {
    const { raft, life, address } = view;
    this.#disks.set(address, view.durable);
    let looked = this.#looked.get(address);
    if (looked?.life !== life) {
      looked = { life, commit: raft.log.firstIndex - 1 };
      this.#looked.set(address, looked);
      for (const checker of this.#checkers) checker.started?.(view);
    }
    const from = Math.max(looked.commit + 1, raft.log.firstIndex);
    for (let index = from; index <= raft.commitIndex; index += 1) {
      const entry = raft.log.at(index);
      if (!this.#history.commit(entry, address, raft.term)) continue;
      bench.say(address, `commits ${index}/${entry.term}`);
      const committed = this.#history.at(index);
      if (committed === undefined) continue;
      for (const checker of this.#checkers) checker.committed?.(committed, bench.views());
    }
    looked.commit = raft.commitIndex;
    for (const checker of this.#checkers) checker.step?.(view);
  }

  lookAtVanilla(): void {
    throw new Error("a vanilla member before the strict judge");
  }

  sent(from: MemberView, to: string, message: PeerMessage): void {
    for (const checker of this.#checkers) checker.sent?.(from, to, message);
  }

  received(member: MemberView, from: string, message: PeerMessage): void {
    for (const checker of this.#checkers) checker.received?.(member, from, message);
  }

  asked(member: MemberView, question: Question): void {
    for (const checker of this.#checkers) checker.asked?.(member, question);
  }

  answered(member: MemberView, question: Question, status: MemberStatus): void {
    for (const checker of this.#checkers) checker.answered?.(member, question, status);
  }

  told(told: Told): void {
    for (const checker of this.#checkers) checker.told?.(told);
  }

  lostDisk(address: string): void {
    for (const checker of this.#checkers) checker.lostDisk?.(address);
  }

  linked(address: string, peer: string): void {
    for (const checker of this.#checkers) checker.linked?.(address, peer);
  }

  end(bench: Bench): void {
    for (const checker of this.#checkers) checker.end?.(bench.views());
  }
}
