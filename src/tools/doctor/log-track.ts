import type { Entry } from "../../../protocol/log/entry.js";
import { isSet, timeOf } from "../../files/entry-time.js";
import { shownMax } from "./limits.js";

/** A point where the term goes down: the cluster had forgotten its term there. */
export interface Dip {
  /** The first entry of the lower term. */
  readonly index: number;
  readonly from: number;
  readonly to: number;
  /** Writers' clocks in the last set before it and in the first one behind it, seconds since 1970. */
  readonly afterSec: number | null;
  readonly beforeSec: number | null;
}

/** What is told of one log as a whole. */
export interface ComparedLog {
  readonly name: string;
  readonly first: number | null;
  readonly last: number | null;
  /** Of the last entry; 0 without entries. */
  readonly lastTerm: number;
  readonly dipCount: number;
  readonly dips: readonly Dip[];
}

type Open<T> = { -readonly [name in keyof T]: T[name] };

/** Follows one log, entry by entry. */
export class LogTrack {
  readonly #log: Open<ComparedLog>;
  readonly #dips: Open<Dip>[] = [];
  /** A view of the piece that is being read, or of the one before. */
  #lastSet: Entry | null = null;
  /** No set was seen since. */
  #openDip: Open<Dip> | null = null;

  constructor(name: string) {
    const none = { first: null, last: null, lastTerm: 0, dipCount: 0 };
    this.#log = { name, ...none, dips: this.#dips };
  }

  get log(): ComparedLog {
    return this.#log;
  }

  add(entry: Entry): void {
    const log = this.#log;
    if (log.last !== null && entry.term < log.lastTerm) this.#noteDip(entry, log.lastTerm);
    log.first ??= entry.index;
    log.last = entry.index;
    log.lastTerm = entry.term;
    if (!isSet(entry.command)) return;
    this.#lastSet = entry;
    if (this.#openDip === null) return;
    this.#openDip.beforeSec = timeOf(entry);
    this.#openDip = null;
  }

  #noteDip({ index, term: to }: Entry, from: number): void {
    this.#log.dipCount += 1;
    this.#openDip = null;
    if (this.#dips.length >= shownMax) return;
    const afterSec = this.#lastSet === null ? null : timeOf(this.#lastSet);
    this.#openDip = { index, from, to, afterSec, beforeSec: null };
    this.#dips.push(this.#openDip);
  }
}
