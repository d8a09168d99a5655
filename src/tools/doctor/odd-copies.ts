import { majorityOf } from "../survey.js";
import type { Span, Variant } from "./compare-logs.js";
import { spansMax } from "./limits.js";
import type { ComparedLog } from "./log-track.js";

/**
 * A log that differs in some places from those of a majority, and is theirs again behind each: in raft, logs
 * that agree at one index agree before it, so that something else than an election has made the difference.
 */
export interface OddCopy {
  readonly name: string;
  /** The places. */
  readonly spans: readonly Span[];
  /** A majority of the logs, alike from the first of those places to their ends. */
  readonly majority: readonly string[];
}

interface Logged {
  readonly name: string;
  readonly log: ComparedLog;
}

/** Only where a majority of the logs is alike. */
export function oddCopies(members: readonly Logged[], spans: readonly Span[]): OddCopy[] {
  // Of more than are kept nobody knows what comes behind.
  if (spans.length >= spansMax || spans.every(({ variants }) => variants.length < 2)) return [];
  const count = majorityOf(members.length);
  const names = members.filter(({ log }) => log.last !== null).map(({ name }) => name);
  const majority = alikeGroup(names, spans, count);
  if (majority === null) return [];
  const isOfMajority = (variant: Variant) => variant.names.some((name) => majority.includes(name));
  return members.flatMap(({ name, log }): OddCopy[] => {
    const own = spans.filter(({ variants }) =>
      variants.some((variant) => variant.names.includes(name) && !isOfMajority(variant)),
    );
    const end = own.at(-1)?.last ?? null;
    const isAmid = end !== null && (log.last ?? 0) > end;
    const isContradicted = own.every(({ variants }) =>
      variants.some((variant) => isOfMajority(variant) && variant.names.length >= count),
    );
    return isAmid && isContradicted ? [{ name, spans: own, majority }] : [];
  });
}

/** At least so many whose logs nowhere hold different entries. */
function alikeGroup(
  names: readonly string[],
  spans: readonly Span[],
  count: number,
): readonly string[] | null {
  const sideOf = ({ variants }: Span, name: string) =>
    variants.find((variant) => variant.names.includes(name));
  const isAlike = (one: string, other: string) =>
    spans.every((span) => {
      const [a, b] = [sideOf(span, one), sideOf(span, other)];
      return a === undefined || b === undefined || a === b;
    });
  for (const seed of names) {
    const group = names.filter((name) => isAlike(seed, name));
    const isOne = group.every((one) => group.every((other) => isAlike(one, other)));
    if (group.length >= count && isOne) return group;
  }
  return null;
}
