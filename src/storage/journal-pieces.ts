import { crc32 } from "node:zlib";
import {
  recordOverheadBytes,
  type WalkRange,
  type WalkStop,
  walkRecords,
} from "../../protocol/files/journal-format.js";
import type { Entry } from "../../protocol/log/entry.js";
import { copyChunkBytes } from "./limits.js";

/** Bytes of a journal that are asked for: an offset, and a length that may reach beyond its end. */
export interface Piece {
  readonly at: number;
  readonly length: number;
}

/**
 * Work on a journal that asks for a piece of it at a time. The same work then runs on bytes in memory,
 * at once, and on a file of any size, in the memory that a piece takes.
 */
export type InPieces<T> = Generator<Piece, T, Uint8Array>;

/** Entries that stand one after the other in a journal. */
export interface JournalBatch {
  /** Their commands are views of `bytes`: copy what is to outlive the batch. */
  readonly entries: readonly Entry[];
  /** Offset in the file behind each entry's record. */
  readonly ends: readonly number[];
  /** The records. */
  readonly bytes: Uint8Array;
}

/** Where and why reading came to an end before the offset that it was to reach. */
export interface JournalStop {
  readonly reason: WalkStop;
  readonly offset: number;
}

export function fromMemory<T>(work: InPieces<T>, bytes: Uint8Array): T {
  let step = work.next();
  while (step.done !== true) {
    const { at, length } = step.value;
    step = work.next(bytes.subarray(at, at + length));
  }
  return step.value;
}

/** @param read Gives fewer bytes than asked for only at the end of the file. */
export async function fromFile<T>(
  work: InPieces<T>,
  read: (at: number, length: number) => Promise<Uint8Array>,
): Promise<T> {
  let step = work.next();
  while (step.done !== true) step = work.next(await read(step.value.at, step.value.length));
  return step.value;
}

const noCommand = new Uint8Array(0);

/**
 * Reads records up to the first that cannot be one, as `walkRecords` does of bytes in memory.
 *
 * @param range Offsets in the file; `size` is that of the file.
 * @returns null where the records fill the range exactly.
 */
export function* walkInPieces(
  range: WalkRange & { readonly size: number },
  take: (batch: JournalBatch) => void,
): InPieces<JournalStop | null> {
  const to = Math.min(range.to, range.size);
  const { termJumpMax } = range;
  let { from: at, before } = range;
  let wanted = copyChunkBytes;
  while (at < to) {
    const asked = Math.min(wanted, to - at);
    const bytes = yield { at, length: asked };
    const found = walkRecords(bytes, { from: 0, to: bytes.length, termJumpMax, before });
    const done = found.ends.at(-1) ?? 0;
    if (done > 0) {
      const start = at;
      const ends = found.ends.map((end) => start + end);
      take({ entries: found.entries, ends, bytes: bytes.subarray(0, done) });
      at += done;
      before = withoutCommand(found.entries.at(-1)) ?? before;
      wanted = copyChunkBytes;
    } else {
      // The piece may end within this record, or within the next one that is asked about a term.
      const needed = yield* bytesToJudge(at, to);
      const isAll = bytes.length < asked || asked >= Math.min(needed, to - at);
      if (isAll) return { reason: found.stop?.reason ?? "structure", offset: at };
      wanted = Math.max(copyChunkBytes, needed);
    }
  }
  return at < range.to ? { reason: "structure", offset: at } : null;
}

/** Bytes of the record at `at` and of the one behind it, as far as their sizes can be right. */
function* bytesToJudge(at: number, to: number): InPieces<number> {
  const first = yield* recordBytes(at, to);
  return first === 0 ? recordOverheadBytes : first + (yield* recordBytes(at + first, to));
}

/** 0 where the sizes around it do not fit; they are looked at before anything of it is loaded. */
function* recordBytes(at: number, to: number): InPieces<number> {
  if (at + recordOverheadBytes > to) return 0;
  const size = readUint32(yield { at, length: 4 });
  if (size < 16 || at + size + 8 > to) return 0;
  return readUint32(yield { at: at + 4 + size, length: 4 }) === size ? size + 8 : 0;
}

/** A command would keep its whole piece in memory. */
function withoutCommand(entry: Entry | undefined): Entry | undefined {
  if (entry === undefined) return undefined;
  return { index: entry.index, term: entry.term, command: noCommand };
}

/** 0 where the file ends before. */
export function readUint32(bytes: Uint8Array): number {
  if (bytes.length < 4) return 0;
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
}

/** The bytes between two offsets, piece by piece; stops where the file ends. */
export function* eachPiece(
  from: number,
  to: number,
  look: (bytes: Uint8Array, at: number) => void,
): InPieces<void> {
  for (let at = from; at < to; ) {
    const bytes = yield { at, length: Math.min(copyChunkBytes, to - at) };
    if (bytes.length === 0) return;
    look(bytes, at);
    at += bytes.length;
  }
}

/** CRC-32 of the bytes between two offsets, all of which are there. */
export function* crcInPieces(from: number, to: number): InPieces<number> {
  let crc = 0;
  yield* eachPiece(from, to, (bytes) => {
    crc = crc32(bytes, crc);
  });
  return crc;
}
