import type { BehindGap } from "../../files/behind-gap.js";
import { majorityOf } from "../survey.js";
import type { DisputedWrite, Span, Variant } from "./compare-logs.js";
import { keysMax } from "./limits.js";
import type { ComparedLog } from "./log-track.js";
import { type OddCopy, oddCopies } from "./odd-copies.js";

/** What of a member decides about histories. */
export interface Witness {
  readonly name: string;
  readonly log: ComparedLog;
  /** Null: not stored. */
  readonly commitIndex: number | null;
  readonly dumpIndex: number | null;
  /** Entries that are missing amid its journal, which ends there for a comparison. */
  readonly leftOut: BehindGap | null;
}

/** A write of a history that is committed, as far as the files tell, and that some members lack. */
export interface WriteAtStake extends DisputedWrite {
  readonly heldBy: readonly string[];
  readonly lackedBy: readonly string[];
}

/** A member without entries that are committed, or with others in their place. */
export interface Lack {
  readonly name: string;
  /** The first such entry. */
  readonly from: number;
  /** Who holds it. */
  readonly heldBy: readonly string[];
  /** It has other entries there; false: its log ends before. */
  readonly isContradiction: boolean;
  /** A holder has stored that they are committed; false: a majority holds them. */
  readonly isClaimed: boolean;
  /** PySyncObj's members would elect it before a holder, and cut those entries off. */
  readonly wins: boolean;
}

/** A stretch of which more than one side has stored that it is committed. */
export interface Conflict {
  readonly span: Span;
  readonly committed: readonly Variant[];
}

export interface Histories {
  /** The last entry that is committed, as far as the files tell. */
  readonly committedEnd: number;
  /**
   * Members that have stored a commit index beyond the end of their files, and whose log is not simply
   * the beginning of one that reaches so far: PySyncObj up to 0.3.15 stores what a leader tells it before
   * the entries have come.
   */
  readonly cut: readonly string[];
  /** Their places are none of the conflicts, tails and lacks. */
  readonly oddCopies: readonly OddCopy[];
  readonly conflicts: readonly Conflict[];
  /** Stretches that differ, of which at most one side is committed. */
  readonly tails: readonly Span[];
  readonly lacks: readonly Lack[];
  readonly atStake: readonly WriteAtStake[];
  /** Some more may not be listed. */
  readonly atStakeCount: number;
  /** Keys of those writes, the first of them. */
  readonly keys: readonly string[];
}

export function endOf({ log, dumpIndex }: Pick<Witness, "log" | "dumpIndex">): number {
  return Math.max(log.last ?? 0, dumpIndex ?? 0);
}

/** Up to where a member has stored that entries are committed: a dump holds only such. */
export function toldBy({
  commitIndex,
  dumpIndex,
}: Pick<Witness, "commitIndex" | "dumpIndex">): number {
  return Math.max(commitIndex ?? 0, dumpIndex ?? 0);
}

/** Which entries are committed as far as the files tell, who lacks them, and what is at stake. */
export function readHistories(witnesses: readonly Witness[], spans: readonly Span[]): Histories {
  const cut = witnesses
    // 1 is the entry that every log begins with.
    .filter((each) => each.commitIndex !== null && each.commitIndex > Math.max(endOf(each), 1))
    // What follows the gap is in its file, and cannot be compared with what a leader has told it.
    .filter(({ leftOut }) => leftOut === null)
    .filter((each) => !witnesses.some((other) => goesOnWhere(each, other, spans)))
    .map(({ name }) => name);
  const judge = new SpanJudge(witnesses, cut);
  const odd = oddCopies(witnesses, spans);
  const oddSpans = new Set(odd.flatMap((each) => each.spans));
  const all = spans.map((span) => ({ span, committed: judge.committedIn(span) }));
  const split = all.filter(({ span }) => !oddSpans.has(span));
  const ends = all.flatMap(({ span, committed }) => (committed.length > 0 ? [span.last] : []));
  const committedEnd = Math.max(0, ...witnesses.map(toldBy), ...ends);
  const conflicts = split.filter(({ committed }) => committed.length > 1);
  const tails = split.flatMap(({ span, committed }) =>
    span.variants.length > 1 && committed.length < 2 ? [span] : [],
  );
  const lacks = witnesses.flatMap((each) =>
    each.leftOut === null ? (judge.lackOf(each, split) ?? []) : [],
  );
  const losers = new Set([...cut, ...lacks.flatMap(({ name, wins }) => (wins ? [name] : []))]);
  const stakes = all.flatMap(({ span, committed }) => {
    const told = oddSpans.has(span) ? span.variants : committed;
    return told.length > 1 || lackedIn(span, committed[0]).some((name) => losers.has(name))
      ? told.map((variant) => ({ variant, lackedBy: lackedIn(span, variant) }))
      : [];
  });
  const atStake = stakes.flatMap(({ variant, lackedBy }) =>
    variant.writes.map((write) => ({ ...write, heldBy: variant.names, lackedBy })),
  );
  return {
    ...{ committedEnd, cut, conflicts, tails, lacks, atStake, oddCopies: odd },
    atStakeCount: stakes.reduce((sum, { variant }) => sum + variant.writeCount, 0),
    keys: [...new Set(atStake.flatMap(({ key }) => key ?? []))].slice(0, keysMax),
  };
}

/** Whether the other log is the same and reaches up to what this member takes for committed. */
function goesOnWhere(member: Witness, other: Witness, spans: readonly Span[]): boolean {
  if (other.name === member.name || endOf(other) < (member.commitIndex ?? 0)) return false;
  const sideOf = (span: Span, name: string) =>
    span.variants.find((each) => each.names.includes(name));
  return spans.every((span) => {
    const [ours, theirs] = [sideOf(span, member.name), sideOf(span, other.name)];
    return ours === undefined || theirs === undefined || ours === theirs;
  });
}

/** Who holds other entries in this stretch, or none. */
function lackedIn({ variants, ended }: Span, held: Variant | undefined): readonly string[] {
  return [...variants.flatMap((each) => (each === held ? [] : each.names)), ...ended];
}

interface JudgedSpan {
  readonly span: Span;
  readonly committed: readonly Variant[];
}

class SpanJudge {
  readonly #witnesses: readonly Witness[];
  readonly #cut: readonly string[];
  readonly #majority: number;

  constructor(witnesses: readonly Witness[], cut: readonly string[]) {
    this.#witnesses = witnesses;
    this.#cut = cut;
    this.#majority = majorityOf(witnesses.length);
  }

  /** What a member whose log was cut has stored is not about the entries that it holds now. */
  isClaimed({ claimedBy }: Variant): boolean {
    return claimedBy.some((name) => !this.#cut.includes(name));
  }

  committedIn({ variants }: Span): readonly Variant[] {
    return variants.filter(
      (variant) => this.isClaimed(variant) || variant.names.length >= this.#majority,
    );
  }

  lackOf({ name, log }: Witness, split: readonly JudgedSpan[]): Lack | null {
    for (const { span, committed } of split) {
      const held = committed.find(({ names }) => !names.includes(name));
      const isContradiction = span.variants.some(({ names }) => names.includes(name));
      if (held === undefined || !(isContradiction || span.ended.includes(name))) continue;
      const beaten = this.#witnesses.filter(
        (each) => held.names.includes(each.name) && beats(log, each.log),
      );
      const isCommittedToo = committed.some(({ names }) => names.includes(name));
      // Both sides are committed: a conflict, and only news here where this side would win.
      if (isCommittedToo && beaten.length === 0) return null;
      const isClaimed = this.isClaimed(held);
      return {
        ...{ name, from: span.first, isContradiction, isClaimed },
        ...{ heldBy: held.names, wins: beaten.length > 0 },
      };
    }
    return null;
  }
}

/** As every member compares logs before it votes: by the last term, then by length. */
export function beats(a: ComparedLog, b: ComparedLog): boolean {
  if (a.lastTerm !== b.lastTerm) return a.lastTerm > b.lastTerm;
  return (a.last ?? 0) > (b.last ?? 0);
}
