import { crc32 } from "node:zlib";
import {
  type JournalHeader,
  journalHeaderBytes,
  parseJournalHeader,
  wouldBeIntact,
} from "../../protocol/files/journal-format.js";
import { termJumpMax } from "../../protocol/files/limits.js";
import type { Entry } from "../../protocol/log/entry.js";
import {
  crcInPieces,
  eachPiece,
  fromMemory,
  type InPieces,
  type JournalStop,
  walkInPieces,
} from "./journal-pieces.js";
import { keptEntries } from "./kept-entries.js";
import { hasUnwrittenSector } from "./torn-batch.js";

/** What is not as it should be. */
export type JournalCause =
  | "not-a-journal"
  /** Header or seal, not the records. */
  | "header-damaged"
  /** PySyncObj's program has written over what we had sealed: nothing vouches for it now. */
  | "rewritten"
  | "checksum"
  /** The last write, which was never acknowledged. */
  | "torn"
  | "last-batch"
  | "end-moved"
  | "foreign-tail"
  | "end-offset"
  | "records"
  | "gap"
  | "implausible"
  | "stray-term";

/**
 * What the bytes of a journal say. The decision table is in docs/storage.md.
 */
export interface JournalVerdict {
  /** Where the kept records end. */
  readonly end: number;
  /** What the header's seal vouches for. */
  readonly proven: "all" | "none" | "part";
  /** Entries that were acknowledged may be missing. */
  readonly isLossy: boolean;
  /** Null where all is as it should be. */
  readonly cause: JournalCause | null;
  /** The same in words. */
  readonly remark: string | null;
  /** No cluster can have written these numbers: nobody may go on from them. */
  readonly isImplausible: boolean;
}

interface Journal {
  /** Of the file. */
  readonly size: number;
  readonly headerBytes: Uint8Array;
  readonly header: JournalHeader;
}

interface SealedJournal extends Journal {
  readonly seal: NonNullable<JournalHeader["seal"]>;
}

const first = journalHeaderBytes;

/** True where nothing was ever stored in the file: vanilla died while it made it. */
export function* isBlankJournal(size: number): InPieces<boolean> {
  if (size < first) return true;
  const headerBytes = yield { at: 0, length: first };
  const header = parseJournalHeader(headerBytes, crc32);
  const isFresh = header.endOffset === first || headerBytes.every((byte) => byte === 0);
  if (header.seal !== null || !isFresh) return false;
  let isZero = true;
  yield* eachPiece(first, size, (bytes) => {
    isZero = isZero && bytes.every((byte) => byte === 0);
  });
  return isZero;
}

/** Whether the header alone shows that what stands beyond its end offset does not matter. */
export function needsWholeFile(header: JournalHeader, size: number): boolean {
  if (header.endOffset <= first || header.endOffset > size) return true;
  return header.seal === null ? !header.isJournal : !header.isIntact;
}

/**
 * The verdict on a journal in memory, and the entries that it keeps.
 *
 * @param bytes The file up to its end offset; all of it where `needsWholeFile`.
 * @param isMetaOurs Whether a Quorate member was the last to write the meta file.
 */
export function judgeJournal(
  bytes: Uint8Array,
  isMetaOurs: boolean,
): JournalVerdict & { readonly entries: readonly Entry[] } {
  const verdict = fromMemory(judgeInPieces(bytes.length, isMetaOurs), bytes);
  const batches: Entry[][] = [];
  const range = { from: first, to: verdict.end, size: bytes.length };
  const unbounded = { ...range, termJumpMax: Number.POSITIVE_INFINITY };
  const walk = walkInPieces(unbounded, (batch) => batches.push(keptEntries(batch)));
  fromMemory(walk, bytes);
  return { ...verdict, entries: batches.flat() };
}

/** The same verdict on a journal of any size. The kept records fill the file from its header on. */
export function* judgeInPieces(size: number, isMetaOurs: boolean): InPieces<JournalVerdict> {
  const headerBytes = yield { at: 0, length: first };
  const header = parseJournalHeader(headerBytes, crc32);
  const { seal } = header;
  const journal = { size, headerBytes, header };
  if (seal === null) {
    return header.isJournal
      ? yield* judgeByStructure(journal, "the journal ends before its end offset")
      : lost("not-a-journal", "the file is no journal");
  }
  if (yield* isProvenUpTo(size, header.endOffset, seal.endCrc)) {
    if (header.isIntact) return yield* keepProven(size, header.endOffset, null);
    const remark = "the journal's header was damaged; its records are not";
    return yield* keepProven(size, header.endOffset, { cause: "header-damaged", remark });
  }
  if (header.isIntact) return yield* judgeOwnWrite({ ...journal, seal }, isMetaOurs);
  return yield* judgeChangedHeader({ ...journal, seal }, isMetaOurs);
}

/** The header is as we wrote it, the records are not: torn in the last write, or damaged. */
function* judgeOwnWrite(journal: SealedJournal, isMetaOurs: boolean): InPieces<JournalVerdict> {
  const { size, header, seal } = journal;
  if (!isMetaOurs) {
    // A vanilla member may have cut entries and added as many bytes again: the end is the same.
    const verdict = yield* judgeByStructure(journal, "rewritten by another member, and cut");
    if (verdict.cause !== null) return verdict;
    return { ...verdict, cause: "rewritten", remark: "the last entries are another program's" };
  }
  if (!(yield* isProvenUpTo(size, seal.previousEnd, seal.previousCrc))) {
    return lost("checksum", "the journal's records are damaged: their checksum does not match");
  }
  if (seal.previousEnd === header.endOffset) {
    return lost("checksum", "the journal's checksums contradict each other");
  }
  if (yield* hasUnwrittenSector(size, seal.previousEnd, header.endOffset)) {
    const remark = "the last write had not reached the disk whole; it was never acknowledged";
    return yield* keepProven(size, seal.previousEnd, { cause: "torn", remark });
  }
  const remark = "the last batch of the journal is damaged";
  const kept = yield* keepProven(size, seal.previousEnd, { cause: "last-batch", remark });
  return { ...kept, proven: "part", isLossy: true };
}

/** The header is not ours any more: a vanilla member has moved the end, or it is damaged. */
function* judgeChangedHeader(
  journal: SealedJournal,
  isMetaOurs: boolean,
): InPieces<JournalVerdict> {
  const { size, headerBytes, header, seal } = journal;
  const sealedEnd = yield* findSealedEnd(journal);
  if (sealedEnd !== null && sealedEnd >= header.endOffset) {
    // We leave zeros behind our end: what stands there was added since, and may have been confirmed.
    if (!(yield* isZeroFrom(sealedEnd, size))) return yield* judgeLostEnd(size, sealedEnd);
    // A vanilla member cut these entries, or the offset is damaged. An entry that comes back after
    // it was cut does no harm in raft; one that is gone does.
    const remark = "the journal's end offset was moved back; put right";
    return yield* keepProven(size, sealedEnd, { cause: "end-moved", remark });
  }
  if (sealedEnd !== null) return yield* judgeForeignTail(size, sealedEnd, header.endOffset);
  const actual = yield* crcUpTo(size, header.endOffset);
  if (actual !== null && wouldBeIntact(headerBytes, { endCrc: actual }, crc32)) {
    const remark = "the journal's checksum was damaged; its records are not";
    return yield* keepProven(size, header.endOffset, { cause: "header-damaged", remark });
  }
  const rewritten = yield* judgeByStructure(journal, "rewritten by another member, and cut");
  // Vanilla stores its meta once a second: one that was killed soon leaves ours beside its journal.
  // That records hold together right up to an end that we did not write is no work of chance.
  if (!isMetaOurs || !rewritten.isLossy) return rewritten;
  const remark = "the journal's header and records are damaged";
  if (!(yield* isProvenUpTo(size, seal.previousEnd, seal.previousCrc))) {
    return lost("checksum", remark);
  }
  const kept = yield* keepProven(size, seal.previousEnd, { cause: "last-batch", remark });
  return { ...kept, proven: "part", isLossy: true };
}

/** The offset behind the last record that our seal covers, wherever the header says the end is. */
function* findSealedEnd({ size, headerBytes, seal }: SealedJournal): InPieces<number | null> {
  let crc = 0;
  let found: number | null = null;
  const look = (end: number) => {
    if (crc !== seal.endCrc || !wouldBeIntact(headerBytes, { endOffset: end }, crc32)) return;
    found = end;
  };
  look(first);
  yield* walkInPieces({ ...provenRange(size), size }, ({ ends, bytes }) => {
    const start = (ends.at(-1) ?? 0) - bytes.length;
    let from = start;
    for (const end of ends) {
      crc = crc32(bytes.subarray(from - start, end - start), crc);
      from = end;
      look(end);
    }
  });
  return found;
}

/** As upstream leaves it where it dies amid a rewrite: the end is lost, and so is how much was added. */
function* judgeLostEnd(size: number, sealedEnd: number): InPieces<JournalVerdict> {
  const verdict = yield* judgeForeignTail(size, sealedEnd, size);
  const remark = "the end offset is damaged behind entries added by another program";
  return { ...verdict, isLossy: true, cause: "foreign-tail", remark, isImplausible: false };
}

function* isZeroFrom(from: number, to: number): InPieces<boolean> {
  let isZero = true;
  yield* eachPiece(from, to, (bytes) => {
    isZero = isZero && bytes.every((byte) => byte === 0);
  });
  return isZero;
}

/** Records that a vanilla member added behind those that our seal covers. */
function* judgeForeignTail(size: number, sealedEnd: number, end: number): InPieces<JournalVerdict> {
  const own = yield* walkTo({ ...provenRange(sealedEnd), size });
  const range = { from: sealedEnd, to: end, termJumpMax, before: own.last, size };
  const { stop, end: keptEnd } = yield* walkTo(range);
  return {
    end: keptEnd,
    proven: "part",
    isLossy: stop !== null,
    cause: stop === null ? null : "foreign-tail",
    remark: stop === null ? null : "entries added by another program are incomplete",
    isImplausible: stop?.reason === "implausible",
  };
}

/** Nothing vouches for the records: what holds together is taken as it is, as vanilla does. */
function* judgeByStructure({ size, header }: Journal, complaint: string): InPieces<JournalVerdict> {
  const isEndUsable = header.endOffset > first && header.endOffset <= size;
  const to = isEndUsable ? header.endOffset : size;
  const { stop, end } = yield* walkTo({ from: first, to, termJumpMax, size });
  return {
    end,
    proven: "none",
    isLossy: stop !== null || !isEndUsable,
    cause: causeByStructure(stop, isEndUsable),
    remark: remarkOnStructure(stop, isEndUsable, complaint),
    isImplausible: stop?.reason === "implausible",
  };
}

function causeByStructure(stop: JournalStop | null, isEndUsable: boolean): JournalCause | null {
  if (stop?.reason === "implausible") return "implausible";
  if (!isEndUsable) return "end-offset";
  return stop?.reason === "structure" ? "records" : (stop?.reason ?? null);
}

function remarkOnStructure(
  stop: JournalStop | null,
  isEndUsable: boolean,
  complaint: string,
): string | null {
  if (!isEndUsable) return "the journal's end offset is damaged; its records were searched";
  if (stop === null) return null;
  return `${complaint} (${stop.reason} at byte ${stop.offset})`;
}

function* keepProven(
  size: number,
  end: number,
  told: { readonly cause: JournalCause; readonly remark: string } | null,
): InPieces<JournalVerdict> {
  const { stop } = yield* walkTo({ ...provenRange(end), size });
  if (stop !== null) return lost("checksum", "the journal's records do not fit together");
  const { cause = null, remark = null } = told ?? {};
  return { end, proven: "all", isLossy: false, cause, remark, isImplausible: false };
}

/** A checksum vouches for the terms. */
function provenRange(to: number) {
  return { from: first, to, termJumpMax: Number.POSITIVE_INFINITY };
}

interface WalkedTo {
  readonly last: Entry | undefined;
  /** Offset behind the last record, or where the walk began. */
  readonly end: number;
  readonly stop: JournalStop | null;
}

function* walkTo(range: Parameters<typeof walkInPieces>[0]): InPieces<WalkedTo> {
  let last: Entry | undefined;
  let end = range.from;
  const stop = yield* walkInPieces(range, (batch) => {
    last = batch.entries.at(-1);
    end = batch.ends.at(-1) ?? end;
  });
  return { last, end, stop };
}

function lost(cause: JournalCause, remark: string): JournalVerdict {
  return { end: first, proven: "none", isLossy: true, cause, remark, isImplausible: false };
}

function* isProvenUpTo(size: number, end: number, crc: number): InPieces<boolean> {
  return (yield* crcUpTo(size, end)) === crc;
}

function* crcUpTo(size: number, end: number): InPieces<number | null> {
  return end < first || end > size ? null : yield* crcInPieces(first, end);
}
