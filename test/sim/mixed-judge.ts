import type { PeerMessage } from "../../protocol/wire/messages.js";
import { failReason } from "../../protocol/wire/messages.js";
import type { MemberStatus } from "../../protocol/wire/utility.js";
import type { Store } from "../../src/store/store.js";
import { AnswerFirst } from "./checkers/answer-first.js";
import type { Checker, MemberView, Question, Told } from "./checkers/checker.js";
import { DurableBeforeSent } from "./checkers/durable-first.js";
import { HeldBack } from "./checkers/held-back.js";
import { OneVoteATerm } from "./checkers/one-vote.js";
import { ConfirmedIsKept } from "./checkers/promises.js";
import { StateAskedFirst } from "./checkers/state-asked.js";
import { TermsNeverGoBack } from "./checkers/terms.js";
import { FirstWords } from "./first-words.js";
import { checkFold, compareStores, compareWithFold } from "./folds.js";
import type { Bench, Judge } from "./judge.js";
import { has, isHeldByMajority, isToBeKnown, type Kept, showsInStore } from "./kept.js";
import type { Standing } from "./standing.js";
import { listOf, Tears } from "./tears.js";
import { Violation } from "./violation.js";
import { Words } from "./words.js";

/** A Quorate member's vote. */
interface Vote {
  readonly candidate: string;
  readonly term: number;
  readonly lastTerm: number;
  /** What the voter held, and knew as committed. */
  readonly knew: ReadonlySet<Kept>;
}

/** A Quorate member, as it was last looked at. */
interface Looked {
  readonly life: number;
  commit: number;
  looks: number;
  store: Store | null;
  owesFold: boolean;
}

export interface MixedSum {
  /**
   * Acknowledged writes that a leader lacked, by the kind of the first leader that did, or of a member
   * that voted for it against better knowledge; by vanilla members where they had lost their copies
   * before.
   */
  readonly lost: { quorate: number; vanilla: number };
  /** Committed entries that a Quorate member was made to give up. */
  conflicts: number;
  /** Writes that a vanilla member told as done while no majority held them. */
  falselyTold: number;
  /** Quorate members whose store was compared, in the end, with what all that was committed makes. */
  folded: number;
  /** Times that a Quorate member held more than it applies. */
  heldBack: number;
}

/**
 * Of clusters with vanilla members. A Quorate member keeps its own promises whatever the others do.
 * What the others lose is counted, and who leads first without an acknowledged write is to blame:
 * that must never be a Quorate member.
 */
export class MixedJudge implements Judge {
  readonly sum: MixedSum = {
    lost: { quorate: 0, vanilla: 0 },
    conflicts: 0,
    falselyTold: 0,
    folded: 0,
    heldBack: 0,
  };
  readonly #isStrict: boolean;
  readonly #losesTerms: boolean;
  readonly #kept: Kept[] = [];
  readonly #lost = new Set<Kept>();
  /** By leader: the term that it was looked at in, and where its log began then. */
  readonly #ledIn = new Map<string, { readonly term: number; readonly firstIndex: number }>();
  /** How often each term was led: 0.3.15 forgets that it has voted. */
  readonly #leaderships = new Map<number, number>();
  readonly #votes: Vote[] = [];
  readonly #tears = new Tears();
  readonly #words = new Words();
  readonly #firstWords: FirstWords | null;
  readonly #looked = new Map<string, Looked>();
  readonly #heldBack = new HeldBack();
  readonly #own: readonly Checker[] = [
    new TermsNeverGoBack(),
    new OneVoteATerm(),
    new ConfirmedIsKept(false),
    new DurableBeforeSent(),
    new AnswerFirst(),
    new StateAskedFirst(),
    this.#heldBack,
  ];

  /**
   * @param isStrict Nothing may be lost: no vanilla member restarts, and so none forgets.
   * @param hearsFirstWords See first-words.ts: where all ways between two sides are cut, and none alone.
   * @param losesTerms Members that remember their terms may lose them with the power, and acknowledge writes in terms
   *   that are over: these and the earlier ones cannot both stay, and no member can tell which should.
   */
  constructor(isStrict: boolean, hearsFirstWords = false, losesTerms = false) {
    this.#isStrict = isStrict;
    this.#losesTerms = losesTerms;
    this.#firstWords = hearsFirstWords ? new FirstWords() : null;
  }

  /** What was acknowledged before the members began, and has to stay. */
  keep(writes: readonly Kept[]): void {
    this.#kept.push(...writes);
  }

  get acknowledged(): number {
    return this.#kept.length;
  }

  get committed(): number {
    return Math.max(0, ...this.#kept.map(({ index }) => index));
  }

  look(view: MemberView, bench: Bench): void {
    const { address, life, raft } = view;
    let before = this.#looked.get(address);
    if (before?.life !== life) {
      for (const checker of this.#own) checker.started?.(view);
      before = { life, commit: 0, looks: 0, store: null, owesFold: false };
      this.#looked.set(address, before);
    }
    for (const checker of this.#own) checker.step?.(view);
    if (raft.commitIndex < before.commit) this.sum.conflicts += 1;
    this.sum.heldBack = this.#heldBack.count;
    this.#lookAtStore(view, before);
    before.commit = raft.commitIndex;
    if (raft.commitIndex > raft.log.lastIndex || raft.applyingTo > raft.commitIndex) {
      throw new Violation("index-order", `${address} commits ${raft.commitIndex}`);
    }
    for (const standing of bench.standings()) {
      if (standing.address !== address) continue;
      this.#words.hear(standing);
      this.#lookAtLeader(standing, bench);
    }
  }

  /** The fold of its own log: each 64th time, and whenever entries had to go or the store is another one. */
  #lookAtStore(view: MemberView, before: Looked): void {
    const { raft, store, appliedIndex } = view;
    const isOther = store !== before.store || raft.commitIndex < before.commit;
    before.looks += 1;
    before.store = store;
    before.owesFold ||= isOther || before.looks % 64 === 0;
    if (!before.owesFold || appliedIndex === null) return;
    before.owesFold = false;
    checkFold(view);
  }

  lookAtVanilla(standing: Standing, bench: Bench): void {
    this.#tears.look(standing);
    this.#words.hear(standing);
    this.#lookAtLeader(standing, bench);
  }

  sent(from: MemberView, to: string, message: PeerMessage, bench: Bench): void {
    this.#firstWords?.sent(from, to, message, { kept: this.#kept, bench });
    for (const checker of this.#own) checker.sent?.(from, to, message);
    if (message.type !== "response_vote") return;
    const { commitIndex, log } = from.raft;
    const knew = this.#kept.filter(
      ({ index, term }) =>
        index <= commitIndex && (index < log.firstIndex || log.termAt(index) === term),
    );
    const vote = { candidate: to, term: message.term, lastTerm: log.lastTerm, knew: new Set(knew) };
    this.#votes.push(vote);
  }

  received(member: MemberView, from: string, message: PeerMessage): void {
    for (const checker of this.#own) checker.received?.(member, from, message);
  }

  asked(member: MemberView, question: Question): void {
    for (const checker of this.#own) checker.asked?.(member, question);
  }

  answered(member: MemberView, question: Question, status: MemberStatus): void {
    for (const checker of this.#own) checker.answered?.(member, question, status);
  }

  told({ by, command, error }: Told, bench: Bench): void {
    if (error !== failReason.success) return;
    for (const standing of bench.standings()) {
      if (standing.address !== by) continue;
      const applied = standing.appliedIndex ?? 0;
      for (let index = applied; index >= standing.firstIndex; index -= 1) {
        const entry = standing.entryAt(index);
        if (entry === undefined || Buffer.compare(entry.command, command) !== 0) continue;
        const { term: inTerm } = standing;
        const kept = { index, term: entry.term, command, inTerm, members: listOf(standing) };
        const isTrue = standing.kind === "quorate" || isHeldByMajority(kept, bench, this.#words);
        if (isTrue) this.#kept.push(kept);
        else this.sum.falselyTold += 1;
        return;
      }
    }
  }

  lostDisk(address: string): void {
    for (const checker of this.#own) checker.lostDisk?.(address);
  }

  linked(address: string, peer: string): void {
    this.#firstWords?.linked(address, peer);
    for (const checker of this.#own) checker.linked?.(address, peer);
  }

  end(bench: Bench, haveAgreed = true): void {
    for (const view of bench.views()) checkFold(view);
    for (const standing of bench.standings()) {
      // What a leader that nobody follows lacks, and commits nothing in the place of, is not lost.
      const isOver = ({ index }: Kept) => index <= standing.commitIndex;
      if (standing.leads) this.#lookFor(this.#kept.filter(isOver), standing, bench);
    }
    // Two entries of one index and term cannot be told apart by any member.
    const hasTwins = [...this.#leaderships.values()].some((count) => count > 1);
    if (!hasTwins && haveAgreed) {
      compareStores(bench.standings());
      this.#lookAtFollowers(bench);
      this.#compareWithCommitted(bench);
    }
    const { quorate, vanilla } = this.sum.lost;
    if (quorate > 0 || (this.#isStrict && vanilla > 0)) {
      throw new Violation(
        "acknowledged-stays",
        `${quorate} acknowledged writes lost by a Quorate leader, ${vanilla} by a vanilla one`,
      );
    }
  }

  /** What no leader has lacked each of our members has applied, as far as it has come. */
  #lookAtFollowers(bench: Bench): void {
    for (const standing of bench.standings()) {
      const { kind, address, appliedIndex, mustRefetch } = standing;
      if (kind !== "quorate" || mustRefetch || appliedIndex === null) continue;
      for (const kept of this.#kept) {
        if (this.#lost.has(kept) || kept.index > appliedIndex) continue;
        if (has(standing, kept, this.#words) && showsInStore(standing, kept, this.#words)) continue;
        const what = `has applied all up to ${appliedIndex} without entry ${kept.index}/${kept.term}`;
        throw new Violation("acknowledged-stays", `${address} ${what}, acknowledged`);
      }
    }
  }

  /** Dumps and all: where nobody has lost anything every store of ours is what was committed makes. */
  #compareWithCommitted(bench: Bench): void {
    const { lost, conflicts } = this.sum;
    const { contradiction } = this.#words;
    if (this.#isStrict && contradiction?.isOurs === true) {
      const { index, by } = contradiction;
      const what = `${by} have committed different entries ${index}`;
      throw new Violation("state-machine-safety", what);
    }
    if (lost.quorate + lost.vanilla + conflicts > 0 || contradiction !== null) return;
    this.sum.folded = compareWithFold(bench.standings(), this.#words);
  }

  /** Does it lead without something that was acknowledged, now that it leads or that its log begins later? */
  #lookAtLeader(standing: Standing, bench: Bench): void {
    const { address, term, leads, firstIndex } = standing;
    const before = this.#ledIn.get(address);
    // A member that forgot its term may lead the same one again.
    if (!leads) this.#ledIn.delete(address);
    if (!leads || (before?.term === term && before.firstIndex === firstIndex)) return;
    this.#ledIn.set(address, { term, firstIndex });
    if (before?.term === term) {
      const hidden = this.#kept.filter(({ index }) => index < firstIndex);
      this.#lookFor(
        hidden.filter(({ index }) => index >= before.firstIndex),
        standing,
        bench,
      );
      return;
    }
    this.#leaderships.set(term, (this.#leaderships.get(term) ?? 0) + 1);
    this.#lookFor(this.#kept, standing, bench);
  }

  #lookFor(all: readonly Kept[], standing: Standing, bench: Bench): void {
    const { address, term, kind } = standing;
    for (const kept of all) {
      // A leader of an earlier term that only learns of its votes now does no harm.
      if (kept.inTerm >= term && (kind === "quorate" || this.#isStrict)) continue;
      if (this.#lost.has(kept) || has(standing, kept, this.#words)) continue;
      this.#lost.add(kept);
      const isGone =
        standing.entryAt(kept.index)?.term === kept.term ||
        this.#mayBeTwin(kept, standing) ||
        !isToBeKnown(kept, standing, bench) ||
        this.#isOfOldTerm(kept, standing) ||
        this.#tears.part(kept.members, listOf(standing));
      const isOurs = kind === "quorate" || this.#wasVotedAway(standing, kept);
      this.sum.lost[isOurs && !isGone ? "quorate" : "vanilla"] += 1;
      bench.say(
        address,
        `leads term ${term} without entry ${kept.index}/${kept.term}, acknowledged`,
      );
    }
  }

  /** Its term was led twice: behind the leader's dump there may have been another entry of that index and term. */
  #mayBeTwin({ index, term }: Kept, { firstIndex }: Standing): boolean {
    return index < firstIndex && (this.#leaderships.get(term) ?? 0) > 1;
  }

  /**
   * The leader holds what was acknowledged before, in a later term or the first time that this one was led, and
   * was lost by who acknowledged this one.
   */
  #isOfOldTerm(kept: Kept, leader: Standing): boolean {
    if (!this.#losesTerms) return false;
    const isTwin = (this.#leaderships.get(kept.term) ?? 0) > 1;
    const before = this.#kept.slice(0, this.#kept.indexOf(kept));
    return before.some(
      (one) =>
        (one.term > kept.term || (isTwin && one.term === kept.term && one.index > kept.index)) &&
        this.#lost.has(one) &&
        has(leader, one, this.#words),
    );
  }

  /**
   * A Quorate member that held the entry, and knew that it was committed, has voted for a log that ends
   * before it, or whose last term is below its own. A higher last term may deceive it.
   */
  #wasVotedAway(leader: Standing, kept: Kept): boolean {
    const { address, term } = leader;
    let last = leader.lastIndex;
    while (leader.entryAt(last)?.term === term) last -= 1;
    const lastTerm = leader.entryAt(last)?.term ?? 0;
    return this.#votes.some(
      (vote) =>
        vote.candidate === address &&
        vote.term === term &&
        vote.knew.has(kept) &&
        (last < kept.index || lastTerm < vote.lastTerm),
    );
  }
}
