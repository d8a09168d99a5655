import type { PeerMessage } from "../../protocol/wire/messages.js";
import { failReason } from "../../protocol/wire/messages.js";
import { Store } from "../../src/store/store.js";
import type { Checker, MemberView, Told } from "./checkers/checker.js";
import { DurableBeforeSent } from "./checkers/durable-first.js";
import { OneVoteATerm } from "./checkers/one-vote.js";
import { ConfirmedIsKept } from "./checkers/promises.js";
import { TermsNeverGoBack } from "./checkers/terms.js";
import { FirstWords } from "./first-words.js";
import { digestOf } from "./history.js";
import type { Bench, Judge } from "./judge.js";
import type { Standing } from "./standing.js";
import { listOf, type MemberList, Tears } from "./tears.js";
import { Violation } from "./violation.js";

/** A write that a client was told of as done. */
interface Kept {
  readonly index: number;
  readonly term: number;
  readonly command: Uint8Array;
  /** The acknowledging member's own: it was committed in this term or before. */
  readonly inTerm: number;
  /** The acknowledging member's, in that moment. */
  readonly members: MemberList;
}

/** A Quorate member's vote. */
interface Vote {
  readonly candidate: string;
  readonly term: number;
  readonly lastTerm: number;
  /** What the voter held, and knew as committed. */
  readonly knew: ReadonlySet<Kept>;
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
}

/**
 * Of clusters with vanilla members. A Quorate member keeps its own promises whatever the others do.
 * What the others lose is counted, and who leads first without an acknowledged write is to blame:
 * that must never be a Quorate member.
 */
export class MixedJudge implements Judge {
  readonly sum: MixedSum = { lost: { quorate: 0, vanilla: 0 }, conflicts: 0, falselyTold: 0 };
  readonly #isStrict: boolean;
  readonly #kept: Kept[] = [];
  readonly #lost = new Set<Kept>();
  readonly #ledIn = new Map<string, number>();
  /** How often each term was led: 0.3.15 forgets that it has voted. */
  readonly #leaderships = new Map<number, number>();
  readonly #votes: Vote[] = [];
  readonly #tears = new Tears();
  readonly #firstWords: FirstWords | null;
  readonly #commits = new Map<string, { life: number; commit: number; looks: number }>();
  readonly #own: readonly Checker[] = [
    new TermsNeverGoBack(),
    new OneVoteATerm(),
    new ConfirmedIsKept(false),
    new DurableBeforeSent(),
  ];

  /**
   * @param isStrict Nothing may be lost: no vanilla member restarts, and so none forgets.
   * @param hearsFirstWords See first-words.ts: where all ways between two sides are cut, and none alone.
   */
  constructor(isStrict: boolean, hearsFirstWords = false) {
    this.#isStrict = isStrict;
    this.#firstWords = hearsFirstWords ? new FirstWords() : null;
  }

  get acknowledged(): number {
    return this.#kept.length;
  }

  get committed(): number {
    return Math.max(0, ...this.#kept.map(({ index }) => index));
  }

  look(view: MemberView, bench: Bench): void {
    const { address, life, raft } = view;
    let before = this.#commits.get(address);
    if (before?.life !== life) {
      for (const checker of this.#own) checker.started?.(view);
      before = { life, commit: 0, looks: 0 };
      this.#commits.set(address, before);
    }
    for (const checker of this.#own) checker.step?.(view);
    if (raft.commitIndex < before.commit) this.sum.conflicts += 1;
    before.commit = raft.commitIndex;
    before.looks += 1;
    if (before.looks % 64 === 0) checkFold(view);
    if (raft.commitIndex > raft.log.lastIndex || raft.applyingTo > raft.commitIndex) {
      throw new Violation("index-order", `${address} commits ${raft.commitIndex}`);
    }
    for (const standing of bench.standings()) {
      if (standing.address === address) this.#lookAtLeader(standing, bench);
    }
  }

  lookAtVanilla(standing: Standing, bench: Bench): void {
    this.#tears.look(standing);
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
        if (standing.kind === "quorate" || isHeldByMajority(kept, bench)) this.#kept.push(kept);
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

  end(bench: Bench): void {
    for (const view of bench.views()) checkFold(view);
    // Two entries of one index and term cannot be told apart by any member.
    const hasTwins = [...this.#leaderships.values()].some((count) => count > 1);
    if (!hasTwins) compareStores(bench.standings());
    const { quorate, vanilla } = this.sum.lost;
    if (quorate > 0 || (this.#isStrict && vanilla > 0)) {
      throw new Violation(
        "acknowledged-stays",
        `${quorate} acknowledged writes lost by a Quorate leader, ${vanilla} by a vanilla one`,
      );
    }
  }

  /** Does it lead without something that was acknowledged? */
  #lookAtLeader(standing: Standing, bench: Bench): void {
    const { address, term, kind } = standing;
    // A member that forgot its term may lead the same one again.
    if (!standing.leads) this.#ledIn.delete(address);
    if (!standing.leads) return;
    if (this.#ledIn.get(address) === term) return;
    this.#ledIn.set(address, term);
    this.#leaderships.set(term, (this.#leaderships.get(term) ?? 0) + 1);
    for (const kept of this.#kept) {
      // A leader of an earlier term that only learns of its votes now does no harm.
      if (kept.inTerm >= term && (kind === "quorate" || this.#isStrict)) continue;
      if (this.#lost.has(kept) || kept.index < standing.firstIndex) continue;
      const entry = standing.entryAt(kept.index);
      if (entry !== undefined && Buffer.compare(entry.command, kept.command) === 0) continue;
      this.#lost.add(kept);
      const isGone =
        entry?.term === kept.term ||
        !isToBeKnown(kept, standing, bench) ||
        this.#tears.part(kept.members, listOf(standing));
      const isOurs = kind === "quorate" || this.#wasVotedAway(standing, kept);
      this.sum.lost[isOurs && !isGone ? "quorate" : "vanilla"] += 1;
      bench.say(
        address,
        `leads term ${term} without entry ${kept.index}/${kept.term}, acknowledged`,
      );
    }
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

/**
 * Could this leader, which lacks the entry, know of it? Not where no majority holds it any more. Nor where
 * logs that hold it end in the index and term of an entry of the leader's: then vanilla members have led
 * that term for the second time, and whoever asks how those logs end takes them for the beginning of his.
 */
function isToBeKnown({ index, term }: Kept, leader: Standing, bench: Bench): boolean {
  const telling = bench.holders(index, term).filter((holder) => {
    const end = holder.lastEntry();
    return end === null || leader.entryAt(end.index)?.term !== end.term;
  });
  return 2 * telling.length > bench.size;
}

/** Members that are as far as each other; where their lists of members differ some never get so far. */
function compareStores(standings: Iterable<Standing>): void {
  const known = new Map<number | null, { address: string; digest: string }>();
  for (const { address, kind, store, appliedIndex } of standings) {
    if (kind !== "quorate") continue;
    const digest = digestOf(store);
    const other = known.get(appliedIndex);
    if (other !== undefined && other.digest !== digest) {
      throw new Violation("store-is-fold", `the stores of ${other.address},${address} differ`);
    }
    known.set(appliedIndex, { address, digest });
  }
}

/** The store of a member that holds all of its log is the fold of it. */
function checkFold({ address, raft, store, appliedIndex }: MemberView): void {
  if (raft.log.firstIndex !== 1 || appliedIndex === null) return;
  const fold = new Store();
  for (const { command, index } of raft.log.slice(1, appliedIndex)) fold.apply(command, index);
  if (digestOf(fold) === digestOf(store)) return;
  throw new Violation("store-is-fold", `${address}'s store is not what its log makes`);
}

/**
 * A vanilla member that gets a dump in pieces takes its own uncommitted tail for committed meanwhile, and
 * says so to its callers: nobody can keep such a promise.
 */
function isHeldByMajority({ index, term }: Kept, bench: Bench): boolean {
  const standings = [...bench.standings()];
  const holders = standings.filter(
    (each) => index < each.firstIndex || each.entryAt(index)?.term === term,
  );
  return 2 * holders.length > standings.length;
}
