import { ProtocolError } from "../errors.js";
import type { Entry } from "../log/entry.js";
import { commandBytes } from "../log/stored-entry.js";
import { journalBytesMax } from "./limits.js";

/**
 * The journal file (upstream: pysyncobj/journal.py, `FileJournal`): a header of 40 bytes, then
 * records `u32 size, u64 index, u64 term, command, u32 size`, little-endian, up to the end offset
 * that the header names. Upstream reads nothing of the header but that offset, so the 15 bytes that
 * follow `PYSYNCOBJ` in the name field are free. Quorate keeps its seal there:
 *
 *     offset  9  3 bytes  low bits of a CRC-32 over the header (these bytes as zeros)
 *     offset 12  u32      previous end: where the records ended before the last batch
 *     offset 16  u32      CRC-32 of the records up to the previous end
 *     offset 20  u32      CRC-32 of the records up to the end
 *
 * Upstream carries the seal along unread and unchanged, so a seal that no longer fits shows that
 * another program wrote to the file, or that the file is damaged.
 */
export const journalHeaderBytes = 40;

/** Bytes of a record around its command. */
export const recordOverheadBytes = 24;

const applicationName = Uint8Array.from("PYSYNCOBJ", (letter) => letter.charCodeAt(0));
const checkOffset = 9;
const previousEndOffset = 12;
const previousCrcOffset = 16;
const endCrcOffset = 20;
const versionOffset = 24;
const versionBytes = 8;
const formatOffset = 32;
const endOffsetOffset = 36;
const formatVersion = 1;
/** Keeps a header that merely holds a plain CRC of itself from looking sealed. */
const checkStart = 0x51_75_6f_72;

/** CRC-32 as in zlib, continued from `start`; handed in, since this house imports nothing. */
export type Crc32 = (bytes: Uint8Array, start?: number) => number;

export interface JournalSeal {
  /** Offset at which the records ended before the last batch; the end offset itself once the last
   * batch is known to be durable. */
  readonly previousEnd: number;
  /** CRC-32 of the records up to `previousEnd`. */
  readonly previousCrc: number;
  /** CRC-32 of the records up to the end offset. */
  readonly endCrc: number;
}

export interface JournalHeader {
  /** False where the file does not begin as a journal does. */
  readonly isJournal: boolean;
  /** Version of the program that created the file, e.g. `0.3.17`. */
  readonly version: string;
  readonly endOffset: number;
  /** Null where no Quorate member ever wrote this file. */
  readonly seal: JournalSeal | null;
  /** Whether the header is, byte for byte, what a Quorate member wrote. */
  readonly isIntact: boolean;
}

/**
 * @param fields `version`: at most 7 ASCII characters, as upstream writes its own. `seal`: null for a
 *   header as upstream makes it.
 */
export function encodeJournalHeader(
  fields: {
    readonly version: string;
    readonly endOffset: number;
    readonly seal: JournalSeal | null;
  },
  crc32: Crc32,
): Uint8Array {
  const bytes = new Uint8Array(journalHeaderBytes);
  const view = new DataView(bytes.buffer);
  bytes.set(applicationName, 0);
  for (let at = 0; at < Math.min(fields.version.length, versionBytes - 1); at++) {
    bytes[versionOffset + at] = fields.version.charCodeAt(at) & 0x7f;
  }
  view.setUint32(formatOffset, formatVersion, true);
  view.setUint32(endOffsetOffset, fields.endOffset, true);
  if (fields.seal === null) return bytes;
  view.setUint32(previousEndOffset, fields.seal.previousEnd, true);
  view.setUint32(previousCrcOffset, fields.seal.previousCrc, true);
  view.setUint32(endCrcOffset, fields.seal.endCrc, true);
  setCheck(bytes, headerCheck(bytes, crc32));
  return bytes;
}

/** @throws ProtocolError `journal-header` where there are fewer than 40 bytes. */
export function parseJournalHeader(bytes: Uint8Array, crc32: Crc32): JournalHeader {
  if (bytes.length < journalHeaderBytes) {
    throw new ProtocolError("journal-header", "the journal ends within its header", {
      offset: bytes.length,
    });
  }
  const header = bytes.subarray(0, journalHeaderBytes);
  const view = new DataView(header.buffer, header.byteOffset, journalHeaderBytes);
  const isSealed = header.subarray(checkOffset, versionOffset).some((byte) => byte !== 0);
  let version = "";
  for (const byte of header.subarray(versionOffset, versionOffset + versionBytes)) {
    if (byte > 0x20 && byte < 0x7f) version += String.fromCharCode(byte);
  }
  return {
    isJournal: applicationName.every((byte, at) => header[at] === byte),
    version,
    endOffset: view.getUint32(endOffsetOffset, true),
    seal: isSealed
      ? {
          previousEnd: view.getUint32(previousEndOffset, true),
          previousCrc: view.getUint32(previousCrcOffset, true),
          endCrc: view.getUint32(endCrcOffset, true),
        }
      : null,
    isIntact: isSealed && getCheck(header) === headerCheck(header, crc32),
  };
}

/** Whether the header would be one that we wrote if it named this end offset, or this CRC. */
export function wouldBeIntact(
  header: Uint8Array,
  changed: { readonly endOffset?: number; readonly endCrc?: number },
  crc32: Crc32,
): boolean {
  const copy = headerCopy(header);
  const view = new DataView(copy.buffer);
  if (changed.endOffset !== undefined) view.setUint32(endOffsetOffset, changed.endOffset, true);
  if (changed.endCrc !== undefined) view.setUint32(endCrcOffset, changed.endCrc, true);
  return getCheck(copy) === headerCheck(copy, crc32);
}

function headerCheck(header: Uint8Array, crc32: Crc32): number {
  const copy = headerCopy(header);
  setCheck(copy, 0);
  return crc32(copy, checkStart) & 0xff_ffff;
}

/** Not `slice`: of a Buffer that is a view. */
function headerCopy(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.subarray(0, journalHeaderBytes));
}

function getCheck(header: Uint8Array): number {
  const [low = 0, middle = 0, high = 0] = header.subarray(checkOffset, checkOffset + 3);
  return low | (middle << 8) | (high << 16);
}

function setCheck(header: Uint8Array, check: number): void {
  header[checkOffset] = check & 0xff;
  header[checkOffset + 1] = (check >> 8) & 0xff;
  header[checkOffset + 2] = (check >> 16) & 0xff;
}

/** Bytes that the entries take as records. */
export function recordsBytes(entries: readonly Entry[]): number {
  let total = 0;
  for (const entry of entries) total += recordOverheadBytes + commandBytes(entry);
  return total;
}

/**
 * Writes the entries as records.
 *
 * @param offset Where in `target` the first record begins; there must be room.
 * @returns the offset in `target` behind each record.
 */
export function writeRecords(
  entries: readonly Entry[],
  target: Uint8Array,
  offset: number,
): number[] {
  const view = new DataView(target.buffer, target.byteOffset, target.byteLength);
  const ends: number[] = [];
  let at = offset;
  for (const { index, term, command } of entries) {
    const size = 16 + command.length;
    view.setUint32(at, size, true);
    setUint64(view, at + 4, index);
    setUint64(view, at + 12, term);
    target.set(command, at + 20);
    view.setUint32(at + 4 + size, size, true);
    at += size + 8;
    ends.push(at);
  }
  return ends;
}

/** Why a walk over the records ended before the offset it was to reach. */
export type WalkStop =
  /** The sizes around a record do not fit: torn, or damaged. */
  | "structure"
  /** The record's index is not the one after the record before. */
  | "gap"
  /** An index or term that no cluster can have reached. */
  | "implausible"
  /** A term that no cluster can have reached, of which the next entry knows nothing: damage. */
  | "stray-term";

export interface Walk {
  readonly entries: Entry[];
  /** Offset behind each entry's record. */
  readonly ends: number[];
  /** Null: the records fill the range exactly. */
  readonly stop: { readonly reason: WalkStop; readonly offset: number } | null;
}

export interface WalkRange {
  readonly from: number;
  readonly to: number;
  /** Largest step from one term to the next; Infinity where a checksum vouches for the records. */
  readonly termJumpMax: number;
  /** The entry that stands before `from`, where there is one. */
  readonly before?: Entry | undefined;
}

/**
 * Reads records up to the first that cannot be one. The entries' commands are views of `bytes`.
 *
 * @param range Offsets in `bytes`; `to` is clipped to its length.
 */
export function walkRecords(bytes: Uint8Array, range: WalkRange): Walk {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const to = Math.min(range.to, bytes.length, journalBytesMax);
  const entries: Entry[] = [];
  const ends: number[] = [];
  let before = range.before;
  let at = range.from;
  while (at < to) {
    const entry = readRecord(bytes, view, { at, to });
    if (entry === null) return { entries, ends, stop: { reason: "structure", offset: at } };
    const next = at + recordOverheadBytes + entry.command.length;
    const reason = objection(entry, before, range.termJumpMax);
    if (reason !== null) {
      const after = readRecord(bytes, view, { at: next, to });
      // The next entry as if this one were not there.
      const bridge = { ...entry, term: before?.term ?? 0 };
      const isStray = after !== null && objection(after, bridge, range.termJumpMax) === null;
      const stop = reason === "implausible" && isStray ? "stray-term" : reason;
      return { entries, ends, stop: { reason: stop, offset: at } };
    }
    at = next;
    entries.push(entry);
    ends.push(at);
    before = entry;
  }
  const isShort = at < range.to;
  return { entries, ends, stop: isShort ? { reason: "structure", offset: at } : null };
}

/** An index or term beyond the safe integers comes back as Infinity. */
function readRecord(
  bytes: Uint8Array,
  view: DataView,
  place: { readonly at: number; readonly to: number },
): Entry | null {
  const { at, to } = place;
  if (at + recordOverheadBytes > to) return null;
  const size = view.getUint32(at, true);
  if (size < 16 || at + size + 8 > to) return null;
  if (view.getUint32(at + 4 + size, true) !== size) return null;
  return {
    index: getUint64(view, at + 4),
    term: getUint64(view, at + 12),
    command: bytes.subarray(at + 20, at + 4 + size),
  };
}

function objection(entry: Entry, before: Entry | undefined, jumpMax: number): WalkStop | null {
  if (before !== undefined && entry.index !== before.index + 1) return "gap";
  if (!Number.isSafeInteger(entry.index) || !Number.isSafeInteger(entry.term)) return "implausible";
  if (entry.term - (before?.term ?? 0) > jumpMax) return "implausible";
  return entry.index < 1 ? "gap" : null;
}

function getUint64(view: DataView, at: number): number {
  const high = view.getUint32(at + 4, true);
  const low = view.getUint32(at, true);
  // As an integer of the engine's: what was a sum of doubles would take memory of its own.
  if (high === 0) return low;
  const value = high * 0x1_0000_0000 + low;
  return Number.isSafeInteger(value) ? value : Number.POSITIVE_INFINITY;
}

function setUint64(view: DataView, at: number, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`not a u64 of ours: ${value}`);
  view.setUint32(at, value % 0x1_0000_0000, true);
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
}
