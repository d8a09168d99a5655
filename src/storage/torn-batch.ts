import { eachPiece, type InPieces, readUint32 } from "./journal-pieces.js";
import { sectorBytes } from "./limits.js";

/** Length and trailing length around what a record holds, 4 bytes each. */
const sizeBytes = 4;

/**
 * Whether a sector of a batch still holds the zeros that stood there before. Space behind the end
 * offset is always zeros (see JournalFile), so that a batch that did not reach the disk whole
 * shows at least one such sector; a damaged batch shows none.
 *
 * A batch begins and ends within a sector. Where only one to three of its bytes lie there, they are part of
 * a record's length, and may be zeros because zeros were written: the lengths of the other records tell. Any
 * longer part holds a whole length, which is never zero. A whole sector of zeros may also be a value's own:
 * the two cannot be told apart.
 */
export function* hasUnwrittenSector(size: number, from: number, to: number): InPieces<boolean> {
  // The file grows by whole sectors, if at all: one that ends elsewhere has been cut since.
  if (to > size) return size === from || size % sectorBytes === 0;
  let found = false;
  let isZero = true;
  let start = from;
  const short: { readonly start: number; readonly end: number }[] = [];
  yield* eachPiece(from, to, (bytes, pieceStart) => {
    for (let at = pieceStart; at < pieceStart + bytes.length; ) {
      const sectorEnd = Math.min(to, (Math.floor(at / sectorBytes) + 1) * sectorBytes);
      const next = Math.min(sectorEnd, pieceStart + bytes.length);
      isZero &&= bytes.subarray(at - pieceStart, next - pieceStart).every((byte) => byte === 0);
      if (next === sectorEnd) {
        if (isZero && next - start < sizeBytes) short.push({ start, end: next });
        else found ||= isZero;
        isZero = true;
        start = next;
      }
      at = next;
    }
  });
  if (found) return true;
  for (const part of short) {
    const isHead = part.start === from;
    const stated = isHead ? yield* firstSize(from, to) : yield* lastSize(from, to);
    // No answer: another part of the batch is damaged, for which no missing sector can be blamed.
    if (stated === null) continue;
    const bits = 8 * (part.end - part.start);
    const written = isHead ? stated & (2 ** bits - 1) : stated >>> (32 - bits);
    if (written !== 0) return true;
  }
  return false;
}

/** The first record's length, by the trailing lengths from the last record back. */
function* firstSize(from: number, to: number): InPieces<number | null> {
  for (let end = to; ; ) {
    const size = readUint32(yield { at: end - sizeBytes, length: sizeBytes });
    const start = end - size - 2 * sizeBytes;
    if (size === 0 || start < from) return null;
    if (start === from) return size;
    end = start;
  }
}

/** The last record's length, by the leading lengths from the first record on. */
function* lastSize(from: number, to: number): InPieces<number | null> {
  for (let start = from; ; ) {
    const size = readUint32(yield { at: start, length: sizeBytes });
    const end = start + size + 2 * sizeBytes;
    if (size === 0 || end > to) return null;
    if (end === to) return size;
    start = end;
  }
}
