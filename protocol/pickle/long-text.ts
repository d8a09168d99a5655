import { isAscii, isUtf8, transcode } from "node:buffer";
import { asBuffer, viewOf } from "./buffer-slices.js";

/**
 * Long texts in UTF-8 by the one conversion of Node's that takes a millisecond for a megabyte whatever it
 * holds: to and from UTF-16. Its other ones take five times as long for what is not ASCII, and an entry
 * of the log is decoded, judged and applied in single steps of the loop.
 */

/** Below it the calls cost more than they save. */
export const longTextBytesMin = 32 * 1024;

/** What is converted at once: the memory for it comes and goes. */
const pieceBytes = 256 * 1024;

/** Node.js that was built without ICU has none. */
const isThere = typeof transcode === "function";

/**
 * The text that stands there.
 *
 * @returns null where it is not well formed: it may hold lone surrogates, which Python writes.
 */
export function decodeLongUtf8(bytes: Buffer, start: number, end: number): string | null {
  const text = asBuffer(viewOf(bytes, start, end));
  if (isAscii(text)) return bytes.latin1Slice(start, end);
  if (!isUtf8(text)) return null;
  if (!isThere) return bytes.utf8Slice(start, end);
  const units = transcode(text, "utf8", "utf16le");
  return units.ucs2Slice(0, units.length);
}

/** Characters of a text in UTF-8, if it is one. */
export function countLongLatin1(bytes: Uint8Array, start: number, end: number): number {
  if (isAscii(viewOf(bytes, start, end))) return end - start;
  let count = end - start;
  let at = start;
  for (; (bytes.byteOffset + at) % 4 !== 0; at++) count -= isFollowing(bytes[at] ?? 0);
  // Four bytes at once, and by their index: an iterator takes ten times as long.
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset + at, (end - at) >> 2);
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? 0;
    count -= Math.imul((word >>> 7) & (~word >>> 6) & 0x01010101, 0x01010101) >>> 24;
  }
  for (at += 4 * words.length; at < end; at++) count -= isFollowing(bytes[at] ?? 0);
  return count;
}

/** 1 for a byte of a character that is not its first. */
function isFollowing(byte: number): number {
  return (byte >> 7) & (~byte >> 6) & 1;
}

/**
 * The Latin-1 form of a text in UTF-8; null where it is not that, or has other characters.
 *
 * @param count Characters of the text.
 */
export function decodeLongLatin1(bytes: Uint8Array, count: number): Uint8Array | null {
  if (isAscii(bytes)) return new Uint8Array(bytes);
  if (!isUtf8(bytes)) return null;
  const latin1 = new Uint8Array(count);
  let length = 0;
  for (let at = 0; at < bytes.length; ) {
    const end = characterEnd(bytes, at + pieceBytes);
    const pairs = aligned(transcode(bytes.subarray(at, end), "utf8", "utf16le"));
    if (hasLargeUnit(pairs)) return null;
    latin1.set(new Uint16Array(pairs.buffer, pairs.byteOffset, pairs.length / 2), length);
    length += pairs.length / 2;
    at = end;
  }
  return latin1;
}

/** To be read in words. */
function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
}

/** Whether a unit is beyond Latin-1. */
function hasLargeUnit(pairs: Uint8Array): boolean {
  let seen = 0;
  const words = new Uint32Array(pairs.buffer, pairs.byteOffset, pairs.length >> 2);
  for (let index = 0; index < words.length; index++) seen |= words[index] ?? 0;
  const rest = pairs.length % 4 === 0 ? 0 : (pairs[pairs.length - 1] ?? 0) << 8;
  return ((seen | rest) & 0xff00_ff00) !== 0;
}

/** False where `decodeLongLatin1` and `encodeLongLatin1` cannot be used. */
export const convertsLongLatin1 = isThere;

/**
 * The UTF-8 form of bytes that are taken for Latin-1.
 *
 * @param target Has room for twice as many from `offset` on.
 * @returns how many bytes were written.
 */
export function encodeLongLatin1(bytes: Uint8Array, target: Uint8Array, offset: number): number {
  const units = new Uint16Array(pieceBytes);
  const pairs = new Uint8Array(units.buffer);
  let length = 0;
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const piece = bytes.subarray(at, at + pieceBytes);
    units.set(piece);
    const text = transcode(pairs.subarray(0, 2 * piece.length), "utf16le", "utf8");
    target.set(text, offset + length);
    length += text.length;
  }
  return length;
}

/** Where the character begins that holds the byte at `at`: no character is cut. */
function characterEnd(bytes: Uint8Array, at: number): number {
  let end = at;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return Math.min(end, bytes.length);
}
