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

const floatPattern = /^[ \t]*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \t\r]*$/;
const specialFloats: Readonly<Record<string, number>> = {
  inf: Number.POSITIVE_INFINITY,
  "+inf": Number.POSITIVE_INFINITY,
  "-inf": Number.NEGATIVE_INFINITY,
  nan: Number.NaN,
  "+nan": Number.NaN,
  "-nan": Number.NaN,
};

/** A float from the text of FLOAT (Python's repr); null where it is none. */
export function parseFloatText(text: string): number | null {
  if (floatPattern.test(text)) return Number(text);
  return specialFloats[text.replace(/^[ \t]+|[ \t\r]+$/g, "").toLowerCase()] ?? null;
}
