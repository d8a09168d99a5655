import { crc32 } from "node:zlib";
import {
  type JournalHeader,
  journalHeaderBytes,
  parseJournalHeader,
  type Walk,
  walkRecords,
  wouldBeIntact,
} from "../../protocol/files/journal-format.js";
import { termJumpMax } from "../../protocol/files/limits.js";
import type { Entry } from "../../protocol/log/entry.js";
import { sectorBytes } from "./limits.js";

/**
 * What the bytes of a journal say. The decision table is in docs/storage.md.
 */
export interface JournalVerdict {
  readonly entries: readonly Entry[];
  /** Where the kept records end. */
  readonly end: number;
  /** What the header's seal vouches for. */
  readonly proven: "all" | "none" | "part";
  /** Entries that were acknowledged may be missing. */
  readonly isLossy: boolean;
  /** What to tell; null where all is as it should be. */
  readonly remark: string | null;
  /** No cluster can have written these numbers: nobody may go on from them. */
  readonly isImplausible: boolean;
}

interface Journal {
  readonly bytes: Uint8Array;
  readonly header: JournalHeader;
  readonly seal: NonNullable<JournalHeader["seal"]>;
}

const first = journalHeaderBytes;

/** True where nothing was ever stored in the file: vanilla died while it made it. */
export function isBlankJournal(bytes: Uint8Array): boolean {
  if (bytes.length < first) return true;
  const header = parseJournalHeader(bytes, crc32);
  const isFresh = header.endOffset === first || bytes.subarray(0, first).every((b) => b === 0);
  return header.seal === null && isFresh && bytes.subarray(first).every((byte) => byte === 0);
}

/** Whether the header alone shows that what stands beyond its end offset does not matter. */
export function needsWholeFile(header: JournalHeader, size: number): boolean {
  if (header.endOffset <= first || header.endOffset > size) return true;
  return header.seal === null ? !header.isJournal : !header.isIntact;
}

/**
 * @param bytes The file up to its end offset; all of it where `needsWholeFile`.
 * @param isMetaOurs Whether a Quorate member was the last to write the meta file.
 */
export function judgeJournal(bytes: Uint8Array, isMetaOurs: boolean): JournalVerdict {
  const header = parseJournalHeader(bytes, crc32);
  if (header.seal === null) {
    return header.isJournal
      ? judgeByStructure(bytes, header, "the journal ends before its end offset")
      : lost("the file is no journal");
  }
  const journal: Journal = { bytes, header, seal: header.seal };
  if (isProvenUpTo(bytes, header.endOffset, header.seal.endCrc)) {
    const remark = header.isIntact ? null : "the journal's header was damaged; its records are not";
    return keepProven(bytes, header.endOffset, remark);
  }
  if (header.isIntact) return judgeOwnWrite(journal, isMetaOurs);
  return judgeChangedHeader(journal, isMetaOurs);
}

/** The header is as we wrote it, the records are not: torn in the last write, or damaged. */
function judgeOwnWrite({ bytes, header, seal }: Journal, isMetaOurs: boolean): JournalVerdict {
  if (!isMetaOurs) {
    // A vanilla member may have cut entries and added as many bytes again: the end is the same.
    const verdict = judgeByStructure(bytes, header, "rewritten by another member, and cut");
    return { ...verdict, remark: verdict.remark ?? "the last entries are another program's" };
  }
  if (!isProvenUpTo(bytes, seal.previousEnd, seal.previousCrc)) {
    return lost("the journal's records are damaged: their checksum does not match");
  }
  if (seal.previousEnd === header.endOffset) {
    return lost("the journal's checksums contradict each other");
  }
  if (hasUnwrittenSector(bytes, seal.previousEnd, header.endOffset)) {
    const remark = "the last write had not reached the disk whole; it was never acknowledged";
    return keepProven(bytes, seal.previousEnd, remark);
  }
  const kept = keepProven(bytes, seal.previousEnd, "the last batch of the journal is damaged");
  return { ...kept, proven: "part", isLossy: true };
}

/** The header is not ours any more: a vanilla member has moved the end, or it is damaged. */
function judgeChangedHeader(journal: Journal, isMetaOurs: boolean): JournalVerdict {
  const { bytes, header, seal } = journal;
  const sealedEnd = findSealedEnd(journal);
  if (sealedEnd !== null && sealedEnd >= header.endOffset) {
    // A vanilla member cut these entries, or the offset is damaged. An entry that comes back after
    // it was cut does no harm in raft; one that is gone does.
    return keepProven(bytes, sealedEnd, "the journal's end offset was moved back; put right");
  }
  if (sealedEnd !== null) return judgeForeignTail(bytes, sealedEnd, header.endOffset);
  const actual = crcUpTo(bytes, header.endOffset);
  if (actual !== null && wouldBeIntact(bytes, { endCrc: actual }, crc32)) {
    const remark = "the journal's checksum was damaged; its records are not";
    return keepProven(bytes, header.endOffset, remark);
  }
  const rewritten = judgeByStructure(bytes, header, "rewritten by another member, and cut");
  // Vanilla stores its meta once a second: one that was killed soon leaves ours beside its journal.
  // That records hold together right up to an end that we did not write is no work of chance.
  if (!isMetaOurs || !rewritten.isLossy) return rewritten;
  const remark = "the journal's header and records are damaged";
  if (!isProvenUpTo(bytes, seal.previousEnd, seal.previousCrc)) return lost(remark);
  return { ...keepProven(bytes, seal.previousEnd, remark), proven: "part", isLossy: true };
}

/** The offset behind the last record that our seal covers, wherever the header says the end is. */
function findSealedEnd({ bytes, seal }: Journal): number | null {
  const walk = walkProven(bytes, bytes.length);
  let crc = 0;
  let from = first;
  let found: number | null = null;
  for (const end of [first, ...walk.ends]) {
    crc = crc32(bytes.subarray(from, end), crc);
    from = end;
    if (crc === seal.endCrc && wouldBeIntact(bytes, { endOffset: end }, crc32)) found = end;
  }
  return found;
}

/** Records that a vanilla member added behind those that our seal covers. */
function judgeForeignTail(bytes: Uint8Array, sealedEnd: number, end: number): JournalVerdict {
  const own = walkProven(bytes, sealedEnd);
  const added = walkRecords(bytes, {
    from: sealedEnd,
    to: end,
    termJumpMax,
    before: own.entries.at(-1),
  });
  return {
    entries: [...own.entries, ...added.entries],
    end: added.ends.at(-1) ?? sealedEnd,
    proven: "part",
    isLossy: added.stop !== null,
    remark: added.stop === null ? null : "entries added by another program are incomplete",
    isImplausible: added.stop?.reason === "implausible",
  };
}

/** Nothing vouches for the records: what holds together is taken as it is, as vanilla does. */
function judgeByStructure(
  bytes: Uint8Array,
  header: JournalHeader,
  complaint: string,
): JournalVerdict {
  const isEndUsable = header.endOffset > first && header.endOffset <= bytes.length;
  const to = isEndUsable ? header.endOffset : bytes.length;
  const walk = walkRecords(bytes, { from: first, to, termJumpMax });
  const isShort = walk.stop !== null;
  return {
    entries: walk.entries,
    end: walk.ends.at(-1) ?? first,
    proven: "none",
    isLossy: isShort || !isEndUsable,
    remark: remarkOnStructure(walk, isEndUsable, complaint),
    isImplausible: walk.stop?.reason === "implausible",
  };
}

function remarkOnStructure(walk: Walk, isEndUsable: boolean, complaint: string): string | null {
  if (!isEndUsable) return "the journal's end offset is damaged; its records were searched";
  if (walk.stop === null) return null;
  return `${complaint} (${walk.stop.reason} at byte ${walk.stop.offset})`;
}

function keepProven(bytes: Uint8Array, end: number, remark: string | null): JournalVerdict {
  const walk = walkProven(bytes, end);
  if (walk.stop !== null) return lost("the journal's records do not fit together");
  const { entries } = walk;
  return { entries, end, proven: "all", isLossy: false, remark, isImplausible: false };
}

function walkProven(bytes: Uint8Array, to: number): Walk {
  return walkRecords(bytes, { from: first, to, termJumpMax: Number.POSITIVE_INFINITY });
}

function lost(remark: string): JournalVerdict {
  return { entries: [], end: first, proven: "none", isLossy: true, remark, isImplausible: false };
}

function isProvenUpTo(bytes: Uint8Array, end: number, crc: number): boolean {
  return crcUpTo(bytes, end) === crc;
}

function crcUpTo(bytes: Uint8Array, end: number): number | null {
  return end < first || end > bytes.length ? null : crc32(bytes.subarray(first, end));
}

/**
 * Whether a sector of a batch still holds the zeros that stood there before. Space behind the end
 * offset is always zeros (see JournalFile), so that a batch that did not reach the disk whole
 * shows at least one such sector; a damaged batch shows none.
 */
function hasUnwrittenSector(bytes: Uint8Array, from: number, to: number): boolean {
  if (to > bytes.length) return true;
  for (let at = from; at < to; ) {
    const next = Math.min(to, (Math.floor(at / sectorBytes) + 1) * sectorBytes);
    if (bytes.subarray(at, next).every((byte) => byte === 0)) return true;
    at = next;
  }
  return false;
}
