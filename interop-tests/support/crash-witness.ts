import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { ProtocolError } from "../../protocol/errors.js";
import type { Dump } from "../../protocol/files/dump-format.js";
import {
  journalHeaderBytes,
  parseJournalHeader,
  walkRecords,
} from "../../protocol/files/journal-format.js";
import { decodeMeta } from "../../protocol/files/meta-format.js";
import type { Entry } from "../../protocol/log/entry.js";
import { systemClock } from "../../src/clock.js";
import { nodeCompression } from "../../src/storage/compression.js";
import { decodeDump } from "../../src/storage/dump-codec.js";
import { nodeFileSystem } from "../../src/storage/node-file-system.js";
import type { CrashSeat } from "./crash-seat.js";

/** What a member was in the middle of when it was killed, as its files show. */
export const windows = [
  "storing a term or vote",
  "appending",
  "writing a dump, or before it is put in place",
  "making the new journal",
  "between the dump's rename and the journal's",
] as const;

export type Window = (typeof windows)[number];

/** The term and vote of one member at one moment. */
interface Ballot {
  readonly term: number;
  readonly vote: string | null;
}

/**
 * Looks at the files of a member that has just been killed, and remembers every term and vote that
 * it has ever shown: the term may never go back, a vote may never change within its term.
 */
export class CrashWitness {
  readonly seat: CrashSeat;
  readonly faults: string[] = [];
  /** How often a kill fell into each. */
  readonly found = new Map<Window, number>();
  /** It was between the two renames at the last kill: a vanilla member clears its journal then. */
  wasBetween = false;
  /** The same, or a dump was on its way there: PySyncObj's is written by a child, which a kill leaves. */
  mayForget = false;
  #looks = 0;
  #term = 0;
  readonly #votes = new Map<number, string>();

  constructor(seat: CrashSeat) {
    this.seat = seat;
  }

  /** `GET /v1/status` of the running member. */
  async ask(): Promise<void> {
    const member = this.seat.quorate;
    if (member === null) return;
    const looks = this.#looks;
    const status = await member.httpStatus().catch(() => null);
    // An answer of a process that is gone proves nothing any more.
    if (status === null || looks !== this.#looks) return;
    const vote = status["vote"];
    const ballot = { term: Number(status["term"]), vote: typeof vote === "string" ? vote : null };
    this.#note(ballot, "GET /v1/status");
  }

  /** Its disk is gone: it can't know which term it was in, but must not vote a second time in any. */
  loseDisk(): void {
    this.seat.loseDisk();
    this.#term = 0;
  }

  /** The files, while nobody writes them. */
  async look(): Promise<void> {
    this.#looks += 1;
    this.wasBetween = false;
    this.mayForget = false;
    const { dataDir, selfAddr } = this.seat;
    const path = (suffix: string) => join(dataDir, `${selfAddr}${suffix}`);
    const names = readdirSync(dataDir);
    const meta = path(".journal.meta");
    if (existsSync(meta)) {
      const { term, votedFor } = decodeMeta(readFileSync(meta), crc32).meta;
      this.#note({ term, vote: votedFor }, "the meta file");
    }
    if (names.some((name) => name.endsWith(".meta.tmp"))) this.#count("storing a term or vote");
    if (names.some((name) => name.includes(".dump.quorate-tmp") || name.endsWith(".dump.tmp"))) {
      this.#count("writing a dump, or before it is put in place");
      this.mayForget = true;
    }
    if (names.some((name) => name.includes(".journal.quorate-tmp"))) {
      this.#count("making the new journal");
    }
    if (!existsSync(path(".journal"))) return;
    const { entries, hasMore } = readRecords(path(".journal"));
    if (hasMore) this.#count("appending");
    const dump = await readDump(path(".dump"));
    if (dump !== null && !isSame(entries[1], dump.last)) {
      this.#count("between the dump's rename and the journal's");
      this.wasBetween = true;
      this.mayForget = true;
    }
  }

  #note({ term, vote }: Ballot, where: string): void {
    const { selfAddr } = this.seat;
    if (term < this.#term) {
      this.faults.push(`${selfAddr}: term ${term} after ${this.#term} (${where})`);
    }
    this.#term = Math.max(this.#term, term);
    const before = this.#votes.get(term);
    if (vote === null) return;
    if (before !== undefined && before !== vote) {
      this.faults.push(`${selfAddr}: two votes in term ${term}: ${before}, ${vote} (${where})`);
    }
    this.#votes.set(term, vote);
  }

  #count(window: Window): void {
    this.found.set(window, (this.found.get(window) ?? 0) + 1);
  }
}

/** `index term` of the entries that a member has kept beside its journal: see conflict-file.ts. */
export function conflictEntries({ dataDir }: CrashSeat): string[] {
  return readdirSync(dataDir)
    .filter((name) => name.includes(".journal.conflict-"))
    .flatMap((name) => readRecords(join(dataDir, name)).entries)
    .map(({ index, term }) => `${index} ${term}`);
}

/** `hasMore`: bytes of records stand behind the end that the header names. */
function readRecords(path: string): { entries: readonly Entry[]; hasMore: boolean } {
  const bytes = readFileSync(path);
  if (bytes.length < journalHeaderBytes) return { entries: [], hasMore: false };
  const { endOffset } = parseJournalHeader(bytes, crc32);
  const termJumpMax = Number.POSITIVE_INFINITY;
  const { entries } = walkRecords(bytes, { from: journalHeaderBytes, to: endOffset, termJumpMax });
  const hasMore = bytes.subarray(endOffset).some((byte) => byte !== 0);
  return { entries, hasMore };
}

async function readDump(path: string): Promise<Dump | null> {
  if (!existsSync(path)) return null;
  const file = await nodeFileSystem.open(path, "read");
  try {
    return await decodeDump(file, { clock: systemClock, compression: nodeCompression });
  } catch (error) {
    if (error instanceof ProtocolError) return null;
    throw error;
  } finally {
    await file.close();
  }
}

function isSame(a: Entry | undefined, b: Entry): boolean {
  return a !== undefined && a.index === b.index && a.term === b.term;
}
