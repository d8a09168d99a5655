import { termJumpMax } from "../../protocol/files/limits.js";
import type { JournalBatch } from "../storage/journal-pieces.js";
import type { JournalStream } from "./journal-stream.js";
import { listedMax } from "./limits.js";

/** Neighbouring entries. */
export interface EntryRange {
  readonly first: number;
  readonly last: number;
}

/** Whole records that stand behind a place at which entries are missing. */
export interface BehindGap extends EntryRange {
  /** Offset of the first of them. */
  readonly offset: number;
  /** What is missing; behind the first gap there may be more, and the first of them are listed. */
  readonly missing: readonly EntryRange[];
  /**
   * The mark of PySyncObj up to 0.3.15: it doubles a file that is too small once, and an entry that does not
   * fit even then is not written, while it goes on with it in memory. What comes later is written behind the gap.
   */
  readonly isLeftOut: boolean;
}

/**
 * Goes on behind a gap, and behind each one that follows.
 *
 * @param offset Where the records before the first gap end.
 * @param last Index of the last of them.
 * @returns whether records fill the journal to its end.
 */
export async function* walkBehindGaps(
  stream: JournalStream,
  offset: number,
  last: number,
): AsyncGenerator<JournalBatch, boolean> {
  let before = last;
  for (let at = offset; ; ) {
    const start = before;
    const batches = stream.walk({ from: at, to: stream.end, termJumpMax });
    let step = await batches.next();
    for (; step.done !== true; step = await batches.next()) {
      const first = step.value.entries[0]?.index ?? 0;
      // An index that goes back is no gap.
      if (before === start && first <= before + 1) return false;
      before = step.value.entries.at(-1)?.index ?? before;
      yield step.value;
    }
    if (step.value === null) return before > start;
    if (before === start || step.value.reason !== "gap") return false;
    at = step.value.offset;
  }
}

/** @returns null where no whole record with a higher index follows; the parameters are those of the walk. */
export async function lookBehindGap(
  stream: JournalStream,
  offset: number,
  last: number,
): Promise<BehindGap | null> {
  const missing: EntryRange[] = [];
  let before = last;
  const batches = walkBehindGaps(stream, offset, last);
  let step = await batches.next();
  for (; step.done !== true; step = await batches.next()) {
    const first = step.value.entries[0]?.index ?? 0;
    if (first > before + 1 && missing.length < listedMax) {
      missing.push({ first: before + 1, last: first - 1 });
    }
    before = step.value.entries.at(-1)?.index ?? before;
  }
  const [gap] = missing;
  if (gap === undefined) return null;
  const isFew = missing.every((range) => range.last - range.first < leftOutMax);
  const isLeftOut = step.value && isFew && mayHaveLeftOut(stream);
  return { first: gap.last + 1, last: before, offset, missing, isLeftOut };
}

/**
 * Entries that can be left out one after the other: each has doubled the file, of 1,024 bytes at first. Where
 * more are missing an index was changed.
 */
const leftOutMax = 32;

/** The last patch version of 0.3 that enlarges its journal once at most. */
const lastThatLeavesOut = 15;

/** The header names the program that made the file: of Quorate's nobody knows who has added to it since. */
function mayHaveLeftOut({ header }: JournalStream): boolean {
  if (header === null) return false;
  if (header.seal !== null) return true;
  const patch = /^0\.3\.(\d+)$/.exec(header.version)?.[1];
  return header.isJournal && patch !== undefined && Number(patch) <= lastThatLeavesOut;
}

/** `entry 5 is missing, and entries 6 to 10 stand whole behind the gap`. */
export function behindGapText({ missing, first, last }: BehindGap): string {
  const ranges = missing.slice(0, toldMax).map(rangeOf);
  const more = missing.length > toldMax ? ` and ${missing.length - toldMax} more gaps` : "";
  const isOne = missing.length === 1 && missing[0]?.first === missing[0]?.last;
  const what = `${isOne ? "entry" : "entries"} ${ranges.join(", ")}${more} ${isOne ? "is" : "are"} missing`;
  const behind = first === last ? `entry ${first} stands` : `entries ${first} to ${last} stand`;
  return `${what}, and ${behind} whole behind the gap`;
}

/** Gaps that a sentence names. */
const toldMax = 3;

function rangeOf({ first, last }: EntryRange): string {
  return first === last ? String(first) : `${first} to ${last}`;
}
