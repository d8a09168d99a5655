/** The one form of an int: a number where that is exact, else a bigint. */
export function normalInt(value: bigint): number | bigint {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER
    ? Number(value)
    : value;
}

/** An int from its two's complement, little-endian, as LONG1 and LONG4 hold it. */
export function decodeLong(bytes: Buffer, start: number, length: number): number | bigint {
  if (length === 0) return 0;
  if (length <= 6) return bytes.readIntLE(start, length);
  if (length === 8) return normalInt(bytes.readBigInt64LE(start));
  const bigEndian = Buffer.from(bytes.subarray(start, start + length)).reverse();
  const value = BigInt(`0x${bigEndian.toString("hex")}`);
  const isNegative = ((bigEndian[0] ?? 0) & 0x80) !== 0;
  return normalInt(isNegative ? value - (1n << BigInt(length * 8)) : value);
}

/** The two's complement of an int, little-endian, as short as possible. */
export function encodeLong(value: bigint): Uint8Array {
  const magnitude = value < 0n ? -value - 1n : value;
  const digits = magnitude.toString(16);
  // One bit more than the magnitude's, for the sign.
  const topBits = Number.parseInt(digits[0] ?? "0", 16).toString(2).length;
  const length = Math.floor(((digits.length - 1) * 4 + topBits) / 8) + 1;
  const twos = value < 0n ? value + (1n << BigInt(length * 8)) : value;
  const bytes = Buffer.from(twos.toString(16).padStart(length * 2, "0"), "hex").reverse();
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Bytes that an int of so many decimal digits takes at most. */
export function longBytesMax(digits: number): number {
  return Math.ceil((digits * Math.log2(10) + 1) / 8);
}

/**
 * Python 3.13 and older read such a text with base 0, where a zero in front stands for octal digits or for a
 * fault; newer ones read it as decimal.
 */
const decimalPattern = /^[ \t]*[+-]?(?:0+|[1-9][0-9]*)[ \t\r]*$/;

/** An int from the text of INT and LONG; null where it is none, or not the same for every Python. */
export function parseDecimal(text: string): number | bigint | null {
  if (!decimalPattern.test(text)) return null;
  const digits = text.trim().replace(/^\+/, "");
  const value = Number(digits);
  // Adding 0 keeps "-0" from becoming a negative zero, which no int is.
  return Number.isSafeInteger(value) ? value + 0 : normalInt(BigInt(digits));
}

/** Digits in groups, and what stands around a number: what Python's `int` and `float` take. */
const digits = "[0-9]+(?:_[0-9]+)*";
const blanks = "[ \\t\\v\\f\\r]*";
const anyInt = `0[xX](?:_?[0-9a-fA-F])+|0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|${digits}`;
// C's reader takes a text that ends before it has begun for 0.
const anyIntPattern = new RegExp(`^(?:${blanks}[+-]?(?:${anyInt})${blanks}(?:\0|$)|\0)`);

/** Whether some Python may take the text of INT or LONG for an int. */
export function isAnyInt(text: string): boolean {
  return anyIntPattern.test(text);
}

const indexPattern = new RegExp(`^${blanks}(?:\\+?${digits}|-0+(?:_0+)*)${blanks}$`);

/** A place in the memo from the text of PUT and GET; null where it is none. */
export function parseMemoIndex(text: string): number | null {
  return indexPattern.test(text) ? Math.abs(Number(text.replaceAll("_", ""))) : null;
}

/** A number from the text of FLOAT, and the one of Python's readers that takes it: see TwoReaders. */
export interface FloatText {
  readonly value: number;
  readonly reader: "both" | "first" | "second";
}

const plainPattern = /^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;
const groupedPattern = new RegExp(
  `^[+-]?(?:${digits}(?:\\.(?:${digits})?)?|\\.${digits})(?:[eE][+-]?${digits})?$`,
);
const wordPattern = /^[+-]?(?:inf(?:inity)?|nan)$/i;
const blankChars = " \t\v\f\r";

/** Null where it is none. */
export function parseFloatText(text: string): FloatText | null {
  // For C's reader the text ends there.
  const end = text.indexOf("\0");
  const value = strictFloat(end < 0 ? text : text.slice(0, end));
  if (value !== null) return { value, reader: end < 0 ? "both" : "first" };
  const bare = withoutBlanks(text);
  if (wordPattern.test(bare)) return { value: specialFloat(bare), reader: "second" };
  if (!groupedPattern.test(bare)) return null;
  return { value: Number(bare.replaceAll("_", "")), reader: "second" };
}

/** A pattern for the end would be tried at each blank amid the text: of 64 KiB of them, for seconds. */
function withoutBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && blankChars.includes(text.charAt(start))) start += 1;
  while (end > start && blankChars.includes(text.charAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

/** Without blanks or groups, and no larger than a float can be. */
function strictFloat(text: string): number | null {
  if (wordPattern.test(text)) return specialFloat(text);
  const value = plainPattern.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(value) ? value : null;
}

function specialFloat(text: string): number {
  if (/nan/i.test(text)) return Number.NaN;
  return text.startsWith("-") ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}
