import { beats } from "./histories.js";
import type { FileMember, SideBySide } from "./side-by-side.js";

/** Where the logs end that a cluster is to go on from when a majority of it is lost for good. */
export interface BestSurvivor {
  readonly names: readonly string[];
  readonly index: number;
  readonly term: number;
}

/**
 * Who of them would be elected, as raft has it: the last term decides, and only then the length. What an old
 * leader has appended for itself makes its log long, and what is committed in a later term is not in it.
 *
 * @returns null where all logs end alike, and where terms do not tell: they went down somewhere, entries are
 *   missing, or two sides of which each was committed.
 */
export function bestSurvivor({ members, histories, spans }: SideBySide): BestSurvivor | null {
  const { conflicts, oddCopies, cut, lacks } = histories;
  const isContradicted = conflicts.length + oddCopies.length + cut.length > 0;
  if (isContradicted || lacks.some(({ wins }) => wins) || !members.every(isTelling)) return null;
  const best = members.filter(({ log }) => !members.some((other) => beats(other.log, log)));
  const [first] = best;
  if (first === undefined || best.length === members.length) return null;
  const names = best.map(({ name }) => name);
  const areAlike = spans.every(
    ({ variants }) =>
      variants.filter((each) => each.names.some((name) => names.includes(name))).length < 2,
  );
  return areAlike ? { names, index: first.log.last ?? 0, term: first.log.lastTerm } : null;
}

function isTelling({ log, leftOut, damaged }: FileMember): boolean {
  const isWhole = log.last !== null && leftOut === null && !damaged.includes("journal");
  return isWhole && log.dipCount === 0;
}
