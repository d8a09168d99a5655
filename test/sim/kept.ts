import type { Bench } from "./judge.js";
import type { Standing } from "./standing.js";
import type { MemberList } from "./tears.js";
import type { Words } from "./words.js";

/** A write that a client was told of as done. */
export interface Kept {
  readonly index: number;
  readonly term: number;
  readonly command: Uint8Array;
  /** The acknowledging member's own: it was committed in this term or before. */
  readonly inTerm: number;
  /** The acknowledging member's, in that moment. */
  readonly members: MemberList;
}

/** Whether the member has it: in its log, or in its store where a dump has taken the place of that. */
export function has(standing: Standing, kept: Kept, words: Words): boolean {
  if (kept.index < standing.firstIndex) return showsInStore(standing, kept, words);
  const entry = standing.entryAt(kept.index);
  return entry !== undefined && Buffer.compare(entry.command, kept.command) === 0;
}

/** Not asked of a store that has not come so far, or is being built again. */
export function showsInStore({ store, appliedIndex }: Standing, kept: Kept, words: Words): boolean {
  if (appliedIndex === null || appliedIndex < kept.index) return true;
  return words.isCarriedOut(kept, store, appliedIndex);
}

/**
 * Could this leader, which lacks the entry, know of it? Not where no majority holds it any more. Nor where
 * logs that hold it end in the index and term of an entry of the leader's: then vanilla members have led
 * that term for the second time, and whoever asks how those logs end takes them for the beginning of his.
 */
export function isToBeKnown({ index, term }: Kept, leader: Standing, bench: Bench): boolean {
  const telling = bench.holders(index, term).filter((holder) => {
    const end = holder.lastEntry();
    return end === null || leader.entryAt(end.index)?.term !== end.term;
  });
  return 2 * telling.length > bench.size;
}

/**
 * A vanilla member that gets a dump in pieces takes its own uncommitted tail for committed meanwhile, and
 * says so to its callers: nobody can keep such a promise. What a log does not hold any more was committed,
 * but as others have said it.
 */
export function isHeldByMajority({ index, term }: Kept, bench: Bench, words: Words): boolean {
  const standings = [...bench.standings()];
  const isSaid = !words.isOtherwiseSaid(index, term);
  const holders = standings.filter((each) =>
    index < each.firstIndex ? isSaid : each.entryAt(index)?.term === term,
  );
  return 2 * holders.length > standings.length;
}
