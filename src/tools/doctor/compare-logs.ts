import type { Entry } from "../../../protocol/log/entry.js";
import { viewEntry } from "../../files/command-view.js";
import type { LogCursor } from "./log-cursor.js";

/** Neighbouring entries at which members differ. */
export interface Difference {
  readonly first: number;
  last: number;
  /** What each of the members that hold the first of them has there. */
  readonly held: readonly { readonly name: string; readonly term: number; readonly says: string }[];
}

export interface Dip {
  readonly index: number;
  readonly from: number;
  readonly to: number;
  /** Writers' clock of the last write before it, seconds since 1970. */
  readonly afterSec: number | null;
}

export interface ComparedLog {
  readonly name: string;
  first: number | null;
  last: number | null;
  lastTerm: number;
  dipCount: number;
  readonly dips: Dip[];
  lastSec: number | null;
}

export interface LogComparison {
  readonly logs: readonly ComparedLog[];
  readonly differences: readonly Difference[];
  readonly differing: number;
}

/** Of each kind so many are kept; they are counted beyond. */
export const shownMax = 20;

/** Reads all logs side by side, in bounded memory, and compares what stands at each index. */
export async function compareLogs(cursors: readonly LogCursor[]): Promise<LogComparison> {
  const logs = cursors.map(({ name }): ComparedLog => {
    return { name, first: null, last: null, lastTerm: 0, dipCount: 0, dips: [], lastSec: null };
  });
  const differences: Difference[] = [];
  let differing = 0;
  for (;;) {
    const index = lowest(cursors);
    if (index === null) return { logs, differences, differing };
    const here = cursors.flatMap((cursor) => {
      const entry = cursor.head;
      return entry !== null && entry.index === index ? [{ name: cursor.name, entry }] : [];
    });
    if (areDifferent(here)) {
      differing += 1;
      note(differences, index, here);
    }
    for (const [at, cursor] of cursors.entries()) {
      const [entry, log] = [cursor.head, logs[at]];
      if (entry === null || log === undefined || entry.index !== index) continue;
      follow(log, entry);
      const reading = cursor.advance();
      if (reading !== null) await reading;
    }
  }
}

function lowest(cursors: readonly LogCursor[]): number | null {
  let index: number | null = null;
  for (const { head } of cursors) {
    if (head !== null && (index === null || head.index < index)) index = head.index;
  }
  return index;
}

interface Held {
  readonly name: string;
  readonly entry: Entry;
}

function areDifferent(here: readonly Held[]): boolean {
  const one = here[0]?.entry;
  return here.some(({ entry }) => one !== undefined && entry !== one && !isSame(entry, one));
}

function isSame(a: Entry, b: Entry): boolean {
  return a.term === b.term && Buffer.compare(a.command, b.command) === 0;
}

function note(differences: Difference[], index: number, here: readonly Held[]): void {
  const open = differences.at(-1);
  if (open !== undefined && open.last === index - 1) open.last = index;
  else if (differences.length < shownMax) {
    differences.push({
      first: index,
      last: index,
      held: here.map(({ name, entry }) => ({ name, term: entry.term, says: saysOf(entry) })),
    });
  }
}

function saysOf(entry: Entry): string {
  const { operation, key, value } = viewEntry(entry);
  if (key === null) return operation;
  const shown = JSON.stringify(value ?? null);
  return value === undefined
    ? `${operation} ${key}`
    : `${operation} ${key} = ${shown.slice(0, 60)}`;
}

function follow(log: ComparedLog, entry: Entry): void {
  if (log.last !== null && entry.term < log.lastTerm) {
    log.dipCount += 1;
    if (log.dips.length < shownMax) {
      const { index, term: to } = entry;
      log.dips.push({ index, from: log.lastTerm, to, afterSec: log.lastSec });
    }
  }
  log.first ??= entry.index;
  log.last = entry.index;
  // Only where the term may go down its time is asked for: a decoding each.
  if (log.lastTerm !== entry.term || entry.index % 64 === 0) {
    log.lastSec = viewEntry(entry).updated ?? log.lastSec;
  }
  log.lastTerm = entry.term;
}
