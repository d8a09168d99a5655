import { viewOf } from "./buffer-slices.js";
import { surrogatesMax } from "./limits.js";
import {
  convertsLongLatin1,
  countLongLatin1,
  decodeLongLatin1,
  decodeLongUtf8,
  longTextBytesMin,
} from "./long-text.js";
import { PySurrogateStr } from "./values.js";

/** How many UTF-16 units are turned into a string at once: below the engine's argument limit. */
const unitsPerPiece = 4096;

/** Collects UTF-16 units into a string. */
class UnitCollector {
  private text = "";
  private units: number[] = [];

  add(unit: number): void {
    this.units.push(unit);
    if (this.units.length >= unitsPerPiece) this.flush();
  }

  addText(text: string): void {
    this.flush();
    this.text += text;
  }

  finish(): string {
    this.flush();
    return this.text;
  }

  private flush(): void {
    this.text += String.fromCharCode(...this.units);
    this.units = [];
  }
}

/**
 * A str from UTF-8 as Python's pickle reads it (`surrogatepass`: lone surrogates stand as three
 * bytes). Null where the bytes are not that.
 *
 * @param charge Told how many lone surrogates there are before they are decoded one by one; it may throw.
 */
export function decodeUtf8(
  bytes: Buffer,
  start: number,
  end: number,
  charge: (surrogates: number) => void = () => {},
): string | PySurrogateStr | null {
  const text = decodeWellFormed(bytes, start, end);
  if (text !== null) return text;
  const found = surrogatesIn(bytes, start, end);
  if (found === null) return null;
  charge(found.length);
  return decodeWithSurrogates(bytes, { start, end }, found);
}

function decodeWellFormed(bytes: Buffer, start: number, end: number): string | null {
  if (end - start >= longTextBytesMin) return decodeLongUtf8(bytes, start, end);
  const text = bytes.utf8Slice(start, end);
  // Node puts U+FFFD for whatever is not well formed; only then is a second look needed.
  const isFaithful = !text.includes("\ufffd") || Buffer.from(text).compare(bytes, start, end) === 0;
  return isFaithful ? text : null;
}

/** Node decodes what stands between the surrogates, and has to find nothing wrong with it. */
function decodeWithSurrogates(
  bytes: Buffer,
  { start, end }: { readonly start: number; readonly end: number },
  surrogates: readonly number[],
): string | PySurrogateStr | null {
  const collector = new UnitCollector();
  let highEnd = -1;
  let hasPair = false;
  let at = start;
  for (const found of [...surrogates, end]) {
    if (found > at) {
      const text = decodeWellFormed(bytes, at, found);
      if (text === null) return null;
      collector.addText(text);
    }
    if (found === end) break;
    const unit = surrogateAt(bytes, found);
    hasPair ||= highEnd === found && unit >= 0xdc00;
    at = found + surrogateBytes;
    highEnd = unit < 0xdc00 ? at : -1;
    collector.add(unit);
  }
  return hasPair ? new PySurrogateStr(viewOf(bytes, start, end).slice()) : collector.finish();
}

/** Bytes of a surrogate by itself: 0xed, then one from 0xa0 up, then any continuation. */
const surrogateBytes = 3;
const surrogatePattern = /\xed[\xa0-\xbf][\x80-\xbf]/g;

/**
 * Where surrogates begin; null where there are more than anybody means. By the engine's own search: the bytes of
 * other letters, Korean ones, begin as theirs do.
 */
function surrogatesIn(bytes: Buffer, start: number, end: number): number[] | null {
  const found: number[] = [];
  for (const { index } of bytes.latin1Slice(start, end).matchAll(surrogatePattern)) {
    found.push(start + index);
    if (found.length > surrogatesMax) return null;
  }
  return found;
}

/**
 * Characters of a text in UTF-8, if it is one. No branches in this loop and the next one: with bytes
 * at random the processor would guess wrongly at every other, and take twice as long.
 */
export function countLatin1(bytes: Uint8Array, start: number, end: number): number {
  if (end - start >= longTextBytesMin) return countLongLatin1(bytes, start, end);
  let count = end - start;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0;
    count -= (byte >> 7) & (~byte >> 6) & 1;
  }
  return count;
}

/**
 * The Latin-1 form of a text in UTF-8; null where it is not that, or has other characters.
 *
 * @param count As `countLatin1` says.
 */
export function decodeLatin1(
  bytes: Uint8Array,
  start: number,
  end: number,
  count: number,
): Uint8Array | null {
  if (end - start >= longTextBytesMin && convertsLongLatin1) {
    return decodeLongLatin1(bytes.subarray(start, end), count);
  }
  const latin1 = new Uint8Array(count);
  let at = start;
  let faults = 0;
  for (let index = 0; index < count; index++) {
    const lead = bytes[at] ?? 0;
    // 1 where the character has a second byte.
    const more = lead >> 7;
    const next = bytes[at + more] ?? 0;
    latin1[index] = (lead & (more - 1)) | (-more & (((lead & 3) << 6) | (next & 0x3f)));
    faults |= -more & (((lead ^ 0xc2) >> 1) | ((next ^ 0x80) >> 6));
    at += 1 + more;
  }
  return faults === 0 && at === end ? latin1 : null;
}

/** UTF-8 with each lone surrogate of `text` as three bytes, as Python's `surrogatepass` writes. */
export function encodeUtf8WithSurrogates(text: string): Uint8Array {
  const bytes = Buffer.allocUnsafe(text.length * 3);
  let at = 0;
  // Splitting before and after each lone surrogate leaves pieces that are well formed.
  for (const piece of text.split(/([\ud800-\udfff])/u)) {
    const unit = piece.charCodeAt(0);
    if (piece.length === 1 && unit >= 0xd800 && unit <= 0xdfff) {
      bytes[at++] = 0xe0 | (unit >> 12);
      bytes[at++] = 0x80 | ((unit >> 6) & 0x3f);
      bytes[at++] = 0x80 | (unit & 0x3f);
    } else if (piece.length > 0) {
      at += bytes.utf8Write(piece, at, bytes.length - at);
    }
  }
  return viewOf(bytes, 0, at);
}

/** The text of a PySurrogateStr as a string has it: two halves side by side become the character that they are halves of. */
export function shownText(bytes: Uint8Array): string {
  const input = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pieces: string[] = [];
  let at = 0;
  for (const { index } of input.toString("latin1").matchAll(surrogatePattern)) {
    pieces.push(input.toString("utf8", at, index), String.fromCharCode(surrogateAt(input, index)));
    at = index + surrogateBytes;
  }
  pieces.push(input.toString("utf8", at));
  return pieces.join("");
}

function surrogateAt(bytes: Buffer, at: number): number {
  return 0xd000 | (((bytes[at + 1] ?? 0) & 0x3f) << 6) | ((bytes[at + 2] ?? 0) & 0x3f);
}

/** Whether a string holds a surrogate that is not half of a pair. */
export function hasLoneSurrogate(text: string): boolean {
  return /[\ud800-\udfff]/u.test(text);
}

/** The second branch takes a backslash with the character after it: that one starts no escape. */
const rawEscape = /\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([\s\S]?))/g;

/**
 * A str from Python's raw-unicode-escape, as protocol 0 writes it: Latin-1 in which `\uXXXX` and
 * `\UXXXXXXXX` are escapes and a backslash before anything else stands for itself. Null where an
 * escape is broken.
 */
export function decodeRawUnicode(line: string): string | PySurrogateStr | null {
  if (!line.includes("\\")) return line;
  const pieces: string[] = [];
  let end = 0;
  for (const match of line.matchAll(rawEscape)) {
    const [whole, short, long, other] = match;
    if (other === "u" || other === "U") return null;
    if (other !== undefined) continue;
    const codePoint = Number.parseInt(short ?? long ?? "", 16);
    if (codePoint > 0x10ffff) return null;
    if (match.index > end) pieces.push(line.slice(end, match.index));
    pieces.push(String.fromCodePoint(codePoint));
    end = match.index + whole.length;
  }
  pieces.push(line.slice(end));
  return holdsPair(pieces) ? new PySurrogateStr(eachOnItsOwn(pieces)) : pieces.join("");
}

/** Whether a piece that is a high surrogate stands directly before one that is a low one. */
function holdsPair(pieces: readonly string[]): boolean {
  return pieces.some((piece, index) => {
    return /^[\ud800-\udbff]$/.test(piece) && /^[\udc00-\udfff]$/.test(pieces[index + 1] ?? "");
  });
}

function eachOnItsOwn(pieces: readonly string[]): Uint8Array {
  const joined = Buffer.concat(pieces.map(encodeUtf8WithSurrogates));
  return viewOf(joined, 0, joined.length);
}

const simpleEscapes: Readonly<Record<string, number>> = {
  "\\": 0x5c,
  "'": 0x27,
  '"': 0x22,
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
};

/** The characters (each one byte) of Python 2's quoted str with its escapes; null where broken. */
export function decodeQuoted(line: string): string | null {
  const quote = line[0];
  if (line.length < 2 || (quote !== "'" && quote !== '"') || !line.endsWith(quote)) return null;
  let broken = false;
  const pattern = /\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|([\s\S]?))/g;
  const text = line.slice(1, -1).replace(pattern, (whole, hex, octal, other) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8) & 0xff);
    const code = simpleEscapes[other];
    broken ||= other === "" || other === "x";
    return code === undefined ? whole : String.fromCharCode(code);
  });
  return broken ? null : text;
}
