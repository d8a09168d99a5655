import assert from "node:assert/strict";
import {
  countLongLatin1,
  decodeLongLatin1,
  decodeLongUtf8,
  encodeLongLatin1,
} from "../../protocol/pickle/long-text.js";
import {
  countLatin1,
  decodeLatin1,
  decodeUtf8,
  encodeUtf8WithSurrogates,
} from "../../protocol/pickle/text.js";
import type { Dice } from "./dice.js";
import type { Target } from "./fuzzer.js";

/** Longer texts than 32 KiB are converted in a way of their own, in pieces of 256 KiB. */
const longBytes = 33 * 1024;
const pieceBytes = 256 * 1024;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function wellFormed(bytes: Uint8Array): string | null {
  try {
    return utf8.decode(bytes);
  } catch {
    return null;
  }
}

/** The input, now and then behind so much else that long ways are taken, and where a piece ends. */
function madeLong(input: Uint8Array, dice: Dice): Uint8Array {
  if (!dice.oneIn(16)) return input;
  const before = (dice.oneIn(4) ? pieceBytes : longBytes) - dice.below(input.length + 2);
  // Of two bytes each, with and without one of them cut at the end of a piece.
  const filler = dice.oneIn(4) ? "x" : "é";
  const first = dice.oneIn(2) ? "x" : "";
  return Buffer.concat([Buffer.from(first), Buffer.alloc(before - (before % 2), filler), input]);
}

function checkUtf8(bytes: Uint8Array, expected: string | null): boolean {
  assert.equal(decodeLongUtf8(Buffer.from(bytes), 0, bytes.length), expected, "a long text");
  // At a place of any alignment.
  const shifted = Buffer.concat([Buffer.of(0xc3, 0xa9, 0x2e), bytes, Buffer.of(0x80)]);
  const seen = decodeUtf8(shifted, 3, 3 + bytes.length);
  if (expected !== null) assert.equal(seen, expected);
  // Python's lone surrogates are all that may stand there beside well-formed text.
  else if (seen !== null) {
    const again = typeof seen === "string" ? encodeUtf8WithSurrogates(seen) : seen.bytes;
    assert.equal(Buffer.compare(again, bytes), 0, "another text");
  }
  return seen !== null;
}

function checkLatin1(bytes: Uint8Array, expected: string | null): void {
  const latin1 = expected === null || /[^\0-\xff]/.test(expected) ? null : expected;
  const count = countLatin1(bytes, 0, bytes.length);
  assert.equal(countLongLatin1(bytes, 0, bytes.length), count);
  const ways = [
    decodeLatin1(bytes, 0, bytes.length, count),
    decodeLongLatin1(bytes, count),
  ] as const;
  for (const seen of ways) {
    assert.equal(seen === null ? null : Buffer.from(seen).toString("latin1"), latin1);
  }
}

function checkEncoding(bytes: Uint8Array): void {
  const target = new Uint8Array(2 * bytes.length + 3);
  const length = encodeLongLatin1(bytes, target, 3);
  const expected = Buffer.from(Buffer.from(bytes).toString("latin1"));
  assert.equal(Buffer.compare(target.subarray(3, 3 + length), expected), 0);
}

/** Texts of pickles and bytes that travel as text, held against the platform's decoder. */
export const text: Target = {
  name: "text",
  seeds: [
    ...["plain", "é", "ÿþ\u0080", "漢字 😀", "\ufeff\ufffd"].map((each) =>
      Buffer.from(each.repeat(20)),
    ),
    Buffer.from("a key of /service/a: é".repeat(4)),
    Buffer.from("eda080c3a9edb080f09f9880eda0bdedb880", "hex"),
  ],
  run(input, dice) {
    const bytes = madeLong(input, dice);
    const expected = wellFormed(bytes);
    checkLatin1(bytes, expected);
    if (dice.oneIn(4)) checkEncoding(bytes);
    return checkUtf8(bytes, expected);
  },
};
