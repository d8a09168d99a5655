import { crc32, gunzipSync } from "node:zlib";
import { type Dump, parseDump } from "../../protocol/files/dump-format.js";
import {
  journalHeaderBytes,
  parseJournalHeader,
  walkRecords,
} from "../../protocol/files/journal-format.js";
import { decodeMeta } from "../../protocol/files/meta-format.js";
import type { Entry } from "../../protocol/log/entry.js";
import { decodePickle } from "../../protocol/pickle/decoder.js";
import { pickleDumpLimits } from "../../protocol/pickle/limits.js";
import type { Ballot } from "../../src/raft/state.js";
import type { TracedDisk } from "./traced-disk.js";

export interface DurableLog {
  readonly entries: ReadonlyMap<number, Entry>;
  readonly lastIndex: number;
  readonly dump: Dump | null;
  /** Everything up to here is in the dump. */
  readonly dumpIndex: number;
}

const nothing = Buffer.alloc(0);

/**
 * What is on a traced disk whatever happens, read from the bytes that were synced under the names that
 * were synced. No recovery takes part: a record counts only where the synced header covers it.
 */
export class DurableView {
  readonly #disk: TracedDisk;
  readonly #selfAddr: string;
  readonly #ballotOf = remember(readBallot);
  readonly #recordsOf = remember(readRecords);
  readonly #dumpOf = remember(readDump);

  constructor(disk: TracedDisk, selfAddr: string) {
    this.#disk = disk;
    this.#selfAddr = selfAddr;
  }

  ballot(): Ballot {
    return this.#ballotOf(this.#durable(".journal.meta"));
  }

  log(): DurableLog {
    const entries = this.#recordsOf(this.#durable(".journal"));
    const dump = this.#dumpOf(this.#durable(".dump"));
    const dumpIndex = dump?.last.index ?? 0;
    const lastIndex = Math.max(dumpIndex, ...[...entries.keys()].slice(-1));
    return { entries, lastIndex, dump, dumpIndex };
  }

  #durable(suffix: string): Buffer {
    if (!this.#disk.isMade) return nothing;
    return this.#disk.durableNames.get(`${this.#selfAddr}${suffix}`)?.durable ?? nothing;
  }
}

/** The latest answer is kept: a buffer of a traced disk never changes. */
function remember<T>(read: (content: Buffer) => T): (content: Buffer) => T {
  let latest: { content: Buffer; value: T } | null = null;
  return (content) => {
    if (latest?.content !== content) latest = { content, value: read(content) };
    return latest.value;
  };
}

function readBallot(content: Buffer): Ballot {
  if (content.length === 0) return { term: 0, votedFor: null };
  const { term, votedFor } = decodeMeta(content, crc32).meta;
  return { term, votedFor };
}

function readRecords(content: Buffer): ReadonlyMap<number, Entry> {
  if (content.length < journalHeaderBytes) return new Map();
  const { endOffset } = parseJournalHeader(content, crc32);
  const termJumpMax = Number.POSITIVE_INFINITY;
  const range = { from: journalHeaderBytes, to: endOffset, termJumpMax };
  return new Map(walkRecords(content, range).entries.map((entry) => [entry.index, entry]));
}

function readDump(content: Buffer): Dump | null {
  if (content.length === 0) return null;
  return parseDump(decodePickle(gunzipSync(content), pickleDumpLimits));
}
