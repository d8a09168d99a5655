import { commandType } from "../../../protocol/log/commands.js";
import type { Entry } from "../../../protocol/log/entry.js";
import { viewEntry } from "../../files/command-view.js";
import { byteDifference } from "./byte-difference.js";
import { spansMax, valueCharsMax, writesOfSpanMax } from "./limits.js";
import type { LogCursor } from "./log-cursor.js";
import { type ComparedLog, LogTrack } from "./log-track.js";

/** A call that stands in a log and not in every log. */
export interface DisputedWrite {
  readonly index: number;
  readonly term: number;
  readonly operation: string;
  readonly key: string | null;
  /** As JSON, cut where it is long; null: none. */
  readonly value: string | null;
  /** The writer's clock, seconds since 1970. */
  readonly writtenSec: number | null;
  /** Where its bytes differ from the others' in its place; null: there are no others. */
  readonly bytes: string | null;
}

/** What some of the members hold in a stretch. */
export interface Variant {
  readonly names: readonly string[];
  /** Those of them that have stored that it is committed. */
  readonly claimedBy: readonly string[];
  /** Of the first entry. */
  readonly term: number;
  readonly says: string;
  /** The first of its writes. */
  readonly writes: readonly DisputedWrite[];
  readonly writeCount: number;
}

/** Neighbouring entries that not all logs hold, where always the same members hold the same. */
export interface Span {
  readonly first: number;
  readonly last: number;
  readonly variants: readonly Variant[];
  /** Members whose logs end before. */
  readonly ended: readonly string[];
}

export interface LogComparison {
  readonly logs: readonly ComparedLog[];
  readonly spans: readonly Span[];
}

interface Held {
  readonly at: number;
  readonly entry: Entry;
}

/** What a member's other files say of its log. */
export interface Claim {
  /** Up to here it has stored that its entries are committed. */
  readonly committed: number;
  /** Up to here a dump stands for the entries. */
  readonly dumped: number;
}

const noClaim: Claim = { committed: 0, dumped: 0 };

/** Reads all logs side by side, in bounded memory, and compares what stands at each index. */
export async function compareLogs(
  cursors: readonly LogCursor[],
  claims: readonly Claim[],
): Promise<LogComparison> {
  const tracks = cursors.map(({ name }) => new LogTrack(name));
  const gathering = new SpanGathering(
    cursors.map(({ name }) => name),
    claims,
  );
  for (;;) {
    const index = lowest(cursors);
    if (index === null) break;
    const { here, ended } = standingAt(index, cursors, claims);
    if (ended.length > 0 || areDifferent(here)) gathering.add(index, here, ended);
    else gathering.close();
    for (const { at, entry } of here) {
      tracks[at]?.add(entry);
      const reading = cursors[at]?.advance() ?? null;
      if (reading !== null) await reading;
    }
  }
  return { logs: tracks.map(({ log }) => log), spans: gathering.spans };
}

/** Who holds an entry of this index, and whose log ends before it. */
function standingAt(
  index: number,
  cursors: readonly LogCursor[],
  claims: readonly Claim[],
): { readonly here: readonly Held[]; readonly ended: readonly number[] } {
  const here: Held[] = [];
  const ended: number[] = [];
  for (const [at, { head }] of cursors.entries()) {
    if (head?.index === index) here.push({ at, entry: head });
    else if (head === null && index > (claims[at] ?? noClaim).dumped) ended.push(at);
  }
  return { here, ended };
}

function lowest(cursors: readonly LogCursor[]): number | null {
  let index: number | null = null;
  for (const { head } of cursors) {
    if (head !== null && (index === null || head.index < index)) index = head.index;
  }
  return index;
}

function areDifferent(here: readonly Held[]): boolean {
  const one = here[0]?.entry;
  return here.some(({ entry }) => one !== undefined && entry !== one && !isSame(entry, one));
}

function isSame(a: Entry, b: Entry): boolean {
  return a.term === b.term && Buffer.compare(a.command, b.command) === 0;
}

interface OpenSpan {
  readonly shape: string;
  readonly first: number;
  last: number;
  readonly variants: readonly OpenVariant[];
  readonly ended: readonly string[];
}

type OpenVariant = Omit<Variant, "writes" | "writeCount"> & {
  readonly writes: DisputedWrite[];
  writeCount: number;
};

/** Joins neighbouring indexes at which the same members hold the same. */
class SpanGathering {
  readonly spans: OpenSpan[] = [];
  readonly #names: readonly string[];
  readonly #claims: readonly Claim[];
  #open: OpenSpan | null = null;

  constructor(names: readonly string[], claims: readonly Claim[]) {
    this.#names = names;
    this.#claims = claims;
  }

  close(): void {
    this.#open = null;
  }

  add(index: number, here: readonly Held[], ended: readonly number[]): void {
    const groups = grouped(here);
    const claims = groups.map((group) => this.#claimants(group, index));
    const shape = JSON.stringify([groups.map((group) => group.map(({ at }) => at)), claims, ended]);
    if (this.#open?.shape !== shape || this.#open.last !== index - 1) {
      if (this.spans.length >= spansMax) return;
      this.#open = this.#begin(shape, index, { groups, claims, ended });
      this.spans.push(this.#open);
    }
    const open = this.#open;
    open.last = index;
    for (const [at, group] of groups.entries()) {
      const [variant, entry] = [open.variants[at], group[0]?.entry];
      if (variant === undefined || entry === undefined) continue;
      noteWrite(variant, entry, othersOf(groups, entry));
    }
  }

  #begin(
    shape: string,
    index: number,
    {
      groups,
      claims,
      ended,
    }: {
      readonly groups: readonly (readonly Held[])[];
      readonly claims: readonly (readonly number[])[];
      readonly ended: readonly number[];
    },
  ): OpenSpan {
    const texts = groups.map(([held]) => (held === undefined ? "" : saysOf(held.entry)));
    const variants = groups.map((group, at): OpenVariant => {
      const entry = group[0]?.entry;
      const says = texts[at] ?? "";
      const isTwice = texts.filter((text) => text === says).length > 1;
      const bytes =
        entry === undefined || !isTwice
          ? null
          : byteDifference(entry.command, othersOf(groups, entry));
      return {
        names: this.#named(group.map((held) => held.at)),
        claimedBy: this.#named(claims[at] ?? []),
        term: entry?.term ?? 0,
        says: bytes === null ? says : `${says} (${bytes})`,
        writes: [],
        writeCount: 0,
      };
    });
    return { shape, first: index, last: index, variants, ended: this.#named(ended) };
  }

  #claimants(group: readonly Held[], index: number): number[] {
    return group.flatMap(({ at }) =>
      (this.#claims[at] ?? noClaim).committed >= index ? [at] : [],
    );
  }

  #named(numbers: readonly number[]): string[] {
    return numbers.map((at) => this.#names[at] ?? "");
  }
}

/** By what they hold, in the order of the members. */
function grouped(here: readonly Held[]): Held[][] {
  const groups: Held[][] = [];
  for (const held of here) {
    const same = groups.find(([one]) => one !== undefined && isSame(one.entry, held.entry));
    if (same === undefined) groups.push([held]);
    else same.push(held);
  }
  return groups;
}

function othersOf(groups: readonly (readonly Held[])[], entry: Entry): Uint8Array[] {
  return groups.flatMap(([held]) =>
    held === undefined || held.entry === entry ? [] : [held.entry.command],
  );
}

function noteWrite(variant: OpenVariant, entry: Entry, others: readonly Uint8Array[]): void {
  // A no-op, which every new leader appends, says nothing.
  if (entry.command[0] === commandType.noOp) return;
  variant.writeCount += 1;
  if (variant.writes.length >= writesOfSpanMax) return;
  variant.writes.push({ ...writeOf(entry), bytes: byteDifference(entry.command, others) });
}

function writeOf(entry: Entry): Omit<DisputedWrite, "bytes"> {
  const { operation, key, value, updated, address } = viewEntry(entry);
  return {
    index: entry.index,
    term: entry.term,
    operation: address === undefined ? operation : `${operation} ${address}`,
    key,
    value: value === undefined ? null : JSON.stringify(value).slice(0, valueCharsMax),
    writtenSec: updated ?? null,
  };
}

function saysOf(entry: Entry): string {
  const { operation, key, value } = writeOf(entry);
  if (key === null) return operation;
  return value === null ? `${operation} ${key}` : `${operation} ${key} = ${value.slice(0, 60)}`;
}
