import { commandType } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import { viewEntry } from "./command-view.js";
import { isSet, timeOf } from "./entry-time.js";
import { listedMax } from "./limits.js";

/** Neighbouring entries of one term. */
export interface TermRun {
  readonly term: number;
  readonly first: number;
  readonly last: number;
}

/** A point where the term goes down: what PySyncObj up to 0.3.15 leaves when it forgets its term. */
export interface TermDip {
  /** The first entry of the lower term. */
  readonly index: number;
  readonly from: number;
  readonly to: number;
}

export interface MembershipChange {
  readonly index: number;
  readonly term: number;
  readonly change: "add" | "remove";
  readonly address: string;
}

export interface LogSummary {
  readonly entries: number;
  readonly first: { readonly index: number; readonly term: number } | null;
  readonly last: { readonly index: number; readonly term: number } | null;
  /** By the type of their commands: `other` are types that PySyncObj passes over. */
  readonly kinds: {
    readonly regular: number;
    readonly noOp: number;
    readonly membership: number;
    readonly version: number;
    readonly other: number;
  };
  readonly commandBytes: number;
  readonly largestCommandBytes: number;
  readonly largestTerm: number;
  readonly termRuns: number;
  /** The first of them, as many as `listedMax`. */
  readonly terms: readonly TermRun[];
  readonly dipCount: number;
  readonly dips: readonly TermDip[];
  readonly membershipCount: number;
  readonly membership: readonly MembershipChange[];
  /** The writers' clocks in the first and in the last set, seconds since 1970. */
  readonly firstTime: number | null;
  readonly lastTime: number | null;
}

/** Gathers what is told of a log, entry by entry, in bounded memory. */
export class LogSummarizer {
  #entries = 0;
  #first: { readonly index: number; readonly term: number } | null = null;
  #last: { readonly index: number; readonly term: number } | null = null;
  readonly #kinds = { regular: 0, noOp: 0, membership: 0, version: 0, other: 0 };
  #commandBytes = 0;
  #largestCommandBytes = 0;
  #largestTerm = 0;
  #runStart = 0;
  #termRuns = 0;
  readonly #terms: TermRun[] = [];
  #dipCount = 0;
  readonly #dips: TermDip[] = [];
  #membershipCount = 0;
  readonly #membership: MembershipChange[] = [];
  #firstTime: number | null = null;
  /** Of the batch that was added last; looked at when somebody asks for the time. */
  #lastTimed: Entry | null = null;

  add(entries: readonly Entry[]): void {
    let timed: Entry | null = null;
    for (const entry of entries) {
      const { index, term, command } = entry;
      this.#noteTerm(index, term);
      this.#first ??= { index, term };
      this.#last = { index, term };
      this.#entries += 1;
      this.#commandBytes += command.length;
      this.#largestCommandBytes = Math.max(this.#largestCommandBytes, command.length);
      const kind = kindOf(command);
      this.#kinds[kind] += 1;
      if (kind === "membership") this.#noteMembership(entry);
      if (kind === "regular") {
        this.#firstTime ??= timeOf(entry);
        if (timed === null || isSet(command)) timed = entry;
      }
    }
    // A copy: the command is a view of all the batch.
    if (timed !== null) this.#lastTimed = { ...timed, command: new Uint8Array(timed.command) };
  }

  result(): LogSummary {
    const run = this.#openRun();
    return {
      entries: this.#entries,
      first: this.#first,
      last: this.#last,
      kinds: { ...this.#kinds },
      commandBytes: this.#commandBytes,
      largestCommandBytes: this.#largestCommandBytes,
      largestTerm: this.#largestTerm,
      termRuns: this.#termRuns + (run === null ? 0 : 1),
      terms: [...this.#terms, ...(run === null ? [] : [run])].slice(0, listedMax),
      dipCount: this.#dipCount,
      dips: [...this.#dips],
      membershipCount: this.#membershipCount,
      membership: [...this.#membership],
      firstTime: this.#firstTime,
      lastTime: this.#lastTimed === null ? null : timeOf(this.#lastTimed),
    };
  }

  #openRun(): TermRun | null {
    const last = this.#last;
    return last === null ? null : { term: last.term, first: this.#runStart, last: last.index };
  }

  #noteTerm(index: number, term: number): void {
    const before = this.#last;
    this.#largestTerm = Math.max(this.#largestTerm, term);
    if (before?.term === term) return;
    const run = this.#openRun();
    if (run !== null) {
      this.#termRuns += 1;
      if (this.#terms.length < listedMax) this.#terms.push(run);
    }
    this.#runStart = index;
    if (before !== null && term < before.term) {
      this.#dipCount += 1;
      if (this.#dips.length < listedMax) this.#dips.push({ index, from: before.term, to: term });
    }
  }

  #noteMembership(entry: Entry): void {
    const { operation, address } = viewEntry(entry);
    if ((operation !== "add" && operation !== "remove") || address === undefined) return;
    this.#membershipCount += 1;
    if (this.#membership.length >= listedMax) return;
    const { index, term } = entry;
    this.#membership.push({ index, term, change: operation, address });
  }
}

function kindOf(command: Uint8Array): keyof LogSummary["kinds"] {
  switch (command[0]) {
    case commandType.regular:
      return "regular";
    case commandType.noOp:
      return "noOp";
    case commandType.membership:
      return "membership";
    case commandType.version:
      return "version";
    default:
      return "other";
  }
}
