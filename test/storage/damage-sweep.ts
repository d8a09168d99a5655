import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { journalHeaderBytes, parseJournalHeader } from "../../protocol/files/journal-format.js";
import type { Recovered } from "../../src/storage/storage.js";
import {
  assertNothingIsLost,
  cutAt,
  type Damage,
  essence,
  type FileKind,
  flipped,
  healthy,
  kinds,
  type MemberFileSet,
  openFileSet,
  textOf,
} from "./damaged-files.js";

/** What a start made of one damage. */
export type Outcome =
  /** The state is what it was. */
  | "unharmed"
  /** It starts, and neither votes nor leads before a leader has brought it up to date. */
  | "refetch"
  /** It does not start; nothing was touched. */
  | "refused"
  /** Nothing was noticed, and the state is another one. */
  | "unnoticed";

export type Tally = Map<string, number>;

export interface SweepOptions {
  readonly kind: FileKind;
  /** Bits that are flipped, one flip each. */
  readonly masks: readonly number[];
  /** Also every length to which the file can be cut. */
  readonly cuts: boolean;
  /** Behind this many bytes the file holds nothing that counts. */
  readonly bytesMax?: number;
}

/** Damages one file in every place, one at a time; gives how often each outcome came, by region. */
export async function sweep(files: MemberFileSet, options: SweepOptions): Promise<Tally> {
  const { kind, masks, cuts } = options;
  const bytes = files[kind];
  assert(bytes !== undefined, `there is a ${kind}`);
  const length = Math.min(bytes.length, options.bytesMax ?? bytes.length);
  const before = healthy(await openFileSet(files));
  assert(before !== null, "the files are whole before they are damaged");
  const { [kind]: _damaged, ...others } = files;
  const toldTerm = (await openFileSet(others)).recovered?.term ?? 0;
  const tally: Tally = new Map();
  const note = async (damage: Damage, region: string, where: string) => {
    const outcome = await outcomeOf(files, { kind, damage, before, toldTerm, where });
    const line = `${region}: ${outcome}`;
    tally.set(line, (tally.get(line) ?? 0) + 1);
  };
  const regions = regionsOf(kind, bytes);
  for (let at = 0; at < length; at++) {
    for (const mask of masks) {
      await note(flipped(at, mask), regions(at), `${kind} byte ${at} mask ${mask}`);
    }
    if (cuts) await note(cutAt(at), `${kind} cut`, `${kind} cut at ${at}`);
  }
  return tally;
}

async function outcomeOf(
  files: MemberFileSet,
  given: {
    readonly kind: FileKind;
    readonly damage: Damage;
    readonly before: Recovered;
    /** The term that the files tell which are not damaged. */
    readonly toldTerm: number;
    readonly where: string;
  },
): Promise<Outcome> {
  const { kind, damage, before, toldTerm, where } = given;
  const damaged: MemberFileSet = { ...files, [kind]: damage(files[kind] ?? new Uint8Array()) };
  const opened = await openFileSet(damaged);
  assertNothingIsLost(damaged, opened, where);
  if (opened.refusal !== null) {
    assert.match(opened.refusal.message, /nothing was changed/i, where);
    assert(
      kinds.some((name) => opened.refusal?.path.endsWith(name)),
      where,
    );
    return "refused";
  }
  const { recovered } = opened;
  assert(recovered !== null);
  if (recovered.mustRefetch) {
    assert(
      recovered.findings.some((finding) => finding.kind === "lost"),
      where,
    );
    assertVotesOnce(before, recovered, where);
    assert(recovered.term >= toldTerm, `${where}: term ${recovered.term}, once ${toldTerm}`);
    return "refetch";
  }
  if (isSame(recovered, before)) return "unharmed";
  assertOneDifference(before, recovered, where);
  return "unnoticed";
}

/** It never votes again in a term of which the vote may be lost: where it does not know it, it knows that. */
function assertVotesOnce(before: Recovered, after: Recovered, where: string): void {
  const isVoteKnown =
    after.term > before.term || (after.term === before.term && after.votedFor === before.votedFor);
  assert(isVoteKnown || after.forgotTerm, `${where}: a vote is lost, and it does not know`);
  const terms = [...after.entries, ...(after.dump === null ? [] : [after.dump.last])];
  const highest = Math.max(...terms.map(({ term }) => term));
  assert(after.term >= highest, `${where}: term ${after.term} below an entry's ${highest}`);
}

function isSame(a: Recovered, b: Recovered): boolean {
  return JSON.stringify(plain(essence(a))) === JSON.stringify(plain(essence(b)));
}

/** Maps as lists, so that they can be compared as text. */
function plain(value: unknown): unknown {
  if (value instanceof Map) return [...value].map(plain);
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).map(([key, inner]) => [key, plain(inner)]);
  }
  return value;
}

/** What is not noticed spreads no further than the bytes themselves: no entry goes, none moves. */
function assertOneDifference(before: Recovered, after: Recovered, where: string): void {
  const [a, b] = [before.entries.map(textOf), after.entries.map(textOf)];
  const shared = Math.min(a.length, b.length);
  const changed = a.slice(0, shared).filter((text, at) => text !== b[at]).length;
  assert(changed <= 1, `${where}: ${changed} entries differ`);
  assert(changed === 0 || a.length === b.length, `${where}: entries differ and are missing`);
}

/** Names the part of a file in which a byte lies. */
function regionsOf(kind: FileKind, bytes: Uint8Array): (at: number) => string {
  if (kind !== "journal") return () => kind;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { endOffset } = parseJournalHeader(bytes, crc32);
  const names = new Array<string>(bytes.length).fill("journal behind the end");
  names.fill("journal header", 0, journalHeaderBytes);
  names.fill("journal end offset", journalHeaderBytes - 4, journalHeaderBytes);
  for (let at = journalHeaderBytes; at < endOffset; ) {
    const size = view.getUint32(at, true);
    names.fill("journal size", at, at + 4);
    names.fill("journal index", at + 4, at + 12);
    names.fill("journal term", at + 12, at + 20);
    names.fill("journal command", at + 20, at + 4 + size);
    names.fill("journal size", at + 4 + size, at + 8 + size);
    at += size + 8;
  }
  return (at) => names[at] ?? "";
}

/** The outcomes of a region, sorted; for all regions where none is named. */
export function outcomes(tally: Tally, region = ""): string[] {
  const found = [...tally.keys()].filter((line) => line.startsWith(region));
  return [...new Set(found.map((line) => line.slice(line.lastIndexOf(": ") + 2)))].sort();
}
