import type { EntryView } from "../files/command-view.js";
import { CliError, exitCode } from "./exit-codes.js";

/** As commander collects them. */
export interface FilterFlags {
  readonly key?: string;
  readonly index?: string;
  readonly term?: string;
  readonly since?: string;
  readonly until?: string;
}

interface Range {
  readonly from: number;
  readonly to: number;
}

/** As for the indices of --at and --diff. */
const digitsMax = 15;

const everything: Range = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY };

/**
 * Which entries are shown. An entry that carries no time (a delete, a no-op) has that of the last set
 * before it.
 */
export class EntryFilter {
  readonly #keyPrefix: string | null;
  readonly #index: Range;
  readonly #term: Range;
  readonly #time: Range;
  #lastTime: number | null = null;

  /** @throws CliError `usage` where a flag cannot be read. */
  constructor(flags: FilterFlags) {
    this.#keyPrefix = flags.key ?? null;
    this.#index = flags.index === undefined ? everything : readRange("--index", flags.index);
    this.#term = flags.term === undefined ? everything : readRange("--term", flags.term);
    this.#time = {
      from: flags.since === undefined ? everything.from : readTime("--since", flags.since),
      to: flags.until === undefined ? everything.to : readTime("--until", flags.until),
    };
    if (this.#time.from > this.#time.to) {
      throw usage("--since comes after --until: no entry can be meant");
    }
  }

  /** No later entry of a log can be shown. */
  isBehind(index: number): boolean {
    return index > this.#index.to;
  }

  /** What can be told without decoding the command; times need all entries to be seen. */
  mayShow(index: number, term: number): boolean {
    return this.#time !== everything && this.#hasTimes()
      ? index <= this.#index.to
      : isIn(this.#index, index) && isIn(this.#term, term);
  }

  shows(entry: EntryView): boolean {
    if (entry.operation === "set" && entry.updated !== undefined) this.#lastTime = entry.updated;
    return (
      isIn(this.#index, entry.index) &&
      isIn(this.#term, entry.term) &&
      this.#isInTime() &&
      this.#isOfKey(entry)
    );
  }

  #hasTimes(): boolean {
    return this.#time.from !== everything.from || this.#time.to !== everything.to;
  }

  #isInTime(): boolean {
    if (!this.#hasTimes()) return true;
    return this.#lastTime !== null && isIn(this.#time, this.#lastTime);
  }

  /** A recursive delete of `/service/` takes `/service/demo/leader` with it. */
  #isOfKey({ key, recursive }: EntryView): boolean {
    if (this.#keyPrefix === null) return true;
    if (key === null) return false;
    const isAbove = recursive === true && this.#keyPrefix.startsWith(key);
    return isAbove || key.startsWith(this.#keyPrefix);
  }
}

function isIn(range: Range, value: number): boolean {
  return value >= range.from && value <= range.to;
}

/** `7`, `7..9`, `7..` or `..9`. */
function readRange(flag: string, text: string): Range {
  const [, from = "", dots, to = ""] = /^(\d*)(?:(\.\.)(\d*))?$/.exec(text) ?? [];
  if (from === "" && to === "") {
    throw usage(`${flag} is ${JSON.stringify(text)} but must be N, N..M, N.. or ..M`);
  }
  const low = from === "" ? everything.from : Number(from);
  const high = dots === undefined ? low : to === "" ? everything.to : Number(to);
  if (low > high) throw usage(`${flag} is ${JSON.stringify(text)}: ${low} comes after ${high}`);
  if ([from, to].some((each) => each.length > digitsMax)) {
    throw usage(`${flag} is ${JSON.stringify(text)}: no log reaches numbers so large`);
  }
  return { from: low, to: high };
}

/** Seconds since 1970, or a date with a time as in ISO 8601. */
function readTime(flag: string, text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Date.parse(text) / 1000;
  if (Number.isNaN(seconds)) {
    const example = "2026-01-31T09:05:07Z or seconds since 1970";
    throw usage(`${flag} is ${JSON.stringify(text)} but must be a time: ${example}`);
  }
  return seconds;
}

function usage(message: string): CliError {
  return new CliError(message, { code: exitCode.usage });
}
