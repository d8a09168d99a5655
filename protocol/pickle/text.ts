import { viewOf } from "./buffer-slices.js";
import { PySurrogateStr } from "./values.js";

/** How many UTF-16 units are turned into a string at once: below the engine's argument limit. */
const unitsPerPiece = 4096;

/** Collects UTF-16 units into a string. */
class UnitCollector {
  private text = "";
  private units: number[] = [];

  add(codePoint: number): void {
    if (codePoint > 0xffff) {
      const rest = codePoint - 0x10000;
      this.units.push(0xd800 | (rest >> 10), 0xdc00 | (rest & 0x3ff));
    } else {
      this.units.push(codePoint);
    }
    if (this.units.length >= unitsPerPiece) this.flush();
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
 */
export function decodeUtf8(
  bytes: Buffer,
  start: number,
  end: number,
): string | PySurrogateStr | null {
  const text = bytes.utf8Slice(start, end);
  // Node puts U+FFFD for whatever is not well formed; only then is a second look needed.
  return text.includes("\ufffd") ? decodeUtf8Exactly(bytes, start, end) : text;
}

function decodeUtf8Exactly(
  bytes: Uint8Array,
  start: number,
  end: number,
): string | PySurrogateStr | null {
  const collector = new UnitCollector();
  let previousIsHigh = false;
  let hasPair = false;
  for (let at = start; at < end; ) {
    const length = sequenceLength(bytes[at] ?? 0);
    const codePoint = length === 0 || at + length > end ? -1 : codePointAt(bytes, at, length);
    if (codePoint < 0) return null;
    hasPair ||= previousIsHigh && codePoint >= 0xdc00 && codePoint <= 0xdfff;
    previousIsHigh = codePoint >= 0xd800 && codePoint <= 0xdbff;
    collector.add(codePoint);
    at += length;
  }
  return hasPair ? new PySurrogateStr(viewOf(bytes, start, end)) : collector.finish();
}

function sequenceLength(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead < 0xc2) return 0;
  if (lead < 0xe0) return 2;
  if (lead < 0xf0) return 3;
  return lead < 0xf5 ? 4 : 0;
}

/** Smallest code point that needs so many bytes: anything below is an overlong form. */
const smallestOfLength = [0, 0, 0x80, 0x800, 0x10000];

function codePointAt(bytes: Uint8Array, at: number, length: number): number {
  const lead = bytes[at] ?? 0;
  if (length === 1) return lead;
  let codePoint = lead & (0xff >> (length + 1));
  for (let index = 1; index < length; index++) {
    const next = bytes[at + index] ?? 0;
    if ((next & 0xc0) !== 0x80) return -1;
    codePoint = (codePoint << 6) | (next & 0x3f);
  }
  return codePoint < (smallestOfLength[length] ?? 0) || codePoint > 0x10ffff ? -1 : codePoint;
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
