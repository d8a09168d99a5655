import type { Entry } from "../../protocol/log/entry.js";
import { commandBytes } from "../../protocol/log/stored-entry.js";
import { sameBytes } from "../../protocol/wire/random-key.js";
import { raftLimits } from "./limits.js";

/** About what an entry takes in memory. */
export function heldBytes(entry: Entry): number {
  return commandBytes(entry) + raftLimits.entryHeldBytes;
}

/**
 * The log in memory. Invariants: never empty; indices are contiguous; the first entry is index 1,
 * or the entry before the dump's last (upstream keeps the dump's two entries at the journal's head).
 */
export class RaftLog {
  private entries: Entry[];
  /** What all entries up to this one come to, of those that were ever held. */
  private ends: number[] = [];
  private first: number;
  /** Highest term of any entry; with a term dip it can be above the last entry's. */
  private highestTerm = 0;
  private dips = false;

  constructor(entries: readonly Entry[]) {
    const head = entries[0];
    if (head === undefined) throw new Error("a log is never empty");
    this.entries = [...entries];
    this.first = head.index;
    entries.forEach((entry, i) => {
      if (entry.index !== head.index + i) throw new Error(`gap in the log before ${entry.index}`);
    });
    let end = 0;
    this.ends = entries.map((entry) => {
      end += heldBytes(entry);
      return end;
    });
    this.surveyTerms();
  }

  get firstIndex(): number {
    return this.first;
  }

  get lastIndex(): number {
    return this.first + this.entries.length - 1;
  }

  get lastTerm(): number {
    return this.at(this.lastIndex).term;
  }

  get length(): number {
    return this.entries.length;
  }

  /** What all entries come to: no less than their records in a journal, which take 24 bytes beside each command. */
  get bytes(): number {
    return (this.ends.at(-1) ?? 0) - this.endBefore();
  }

  get maxTerm(): number {
    return this.highestTerm;
  }

  /** True where a term goes down somewhere: the mark that members which forgot their term left. */
  get hasTermDip(): boolean {
    return this.dips;
  }

  /** The entry at an index that the log holds. Throws for any other: the caller has to know. */
  at(index: number): Entry {
    const entry = this.entries[index - this.first];
    if (entry === undefined)
      throw new Error(`no entry ${index} in ${this.first}…${this.lastIndex}`);
    return entry;
  }

  /** Term at an index, or null where the log does not hold it. */
  termAt(index: number): number | null {
    return this.entries[index - this.first]?.term ?? null;
  }

  holds(index: number): boolean {
    return index >= this.first && index <= this.lastIndex;
  }

  /** Entries from..to, both included, clipped to what the log holds. */
  slice(from: number, to: number): Entry[] {
    return this.entries.slice(Math.max(0, from - this.first), Math.max(0, to - this.first + 1));
  }

  /** What the entries from..to come to, both included, clipped to what the log holds. */
  bytesOf(from: number, to: number): number {
    const last = Math.min(to, this.lastIndex) - this.first;
    const before = Math.max(from, this.first) - this.first - 1;
    if (last <= before) return 0;
    return (this.ends[last] ?? 0) - (this.ends[before] ?? this.endBefore());
  }

  /** The terms of all entries, the highest first. */
  distinctTerms(): number[] {
    return [...new Set(this.entries.map(({ term }) => term))].sort((a, b) => b - a);
  }

  /**
   * Whether this very entry stands at its index. Members that forget their terms lead one twice, and then entries
   * of the same index and term differ.
   */
  holdsSame({ index, term, command }: Entry): boolean {
    const held = this.entries[index - this.first];
    return held !== undefined && held.term === term && sameBytes(held.command, command);
  }

  /** First index of the run of entries with the same term that ends at `index`. */
  startOfTermRun(index: number): number {
    const term = this.at(index).term;
    let start = index;
    while (start > this.first && this.at(start - 1).term === term) start -= 1;
    return start;
  }

  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.index !== this.lastIndex + 1) {
        throw new Error(`append of ${entry.index} after ${this.lastIndex}`);
      }
      if (entry.term < this.lastTerm) this.dips = true;
      this.entries.push(entry);
      this.weigh(entry);
      if (entry.term > this.highestTerm) this.highestTerm = entry.term;
    }
  }

  /** Drops `fromIndex` and everything after it; returns what went, oldest first. */
  truncate(fromIndex: number): Entry[] {
    if (fromIndex <= this.first) throw new Error(`truncation to ${fromIndex} would empty the log`);
    const gone = this.entries.splice(fromIndex - this.first);
    this.ends.length = this.entries.length;
    this.surveyTerms();
    return gone;
  }

  /** Drops everything before `keepFrom`. */
  compact(keepFrom: number): void {
    if (keepFrom <= this.first) return;
    if (keepFrom > this.lastIndex) throw new Error(`compaction to ${keepFrom} would empty the log`);
    this.entries = this.entries.slice(keepFrom - this.first);
    this.ends = this.ends.slice(keepFrom - this.first);
    this.first = keepFrom;
    this.surveyTerms();
  }

  /** Entries in memory with at most `bytesMax` of commands, at least one, and no more than a receiver decodes. */
  batch(from: number, bytesMax: number): Entry[] {
    const batch: Entry[] = [];
    let bytes = 0;
    const last = Math.min(this.lastIndex, from + raftLimits.batchEntriesMax - 1);
    for (let index = from; index <= last; index += 1) {
      const entry = this.at(index);
      if (batch.length > 0 && bytes + entry.command.length >= bytesMax) break;
      batch.push(entry);
      bytes += entry.command.length;
    }
    return batch;
  }

  private weigh(entry: Entry): void {
    this.ends.push((this.ends.at(-1) ?? 0) + heldBytes(entry));
  }

  /** What came before the first entry. */
  private endBefore(): number {
    const [head] = this.entries;
    return head === undefined ? 0 : (this.ends[0] ?? 0) - heldBytes(head);
  }

  private surveyTerms(): void {
    this.highestTerm = 0;
    this.dips = false;
    let before = 0;
    for (const entry of this.entries) {
      if (entry.term < before) this.dips = true;
      if (entry.term > this.highestTerm) this.highestTerm = entry.term;
      before = entry.term;
    }
  }
}
