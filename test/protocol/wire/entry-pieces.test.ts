import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Entry } from "../../../protocol/log/entry.js";
import { EntryPieces } from "../../../protocol/wire/entry-pieces.js";
import { encodeEntryTuple } from "../../../protocol/wire/message-codec.js";
import { laterEntryPickle } from "./later-entry-pickle.js";

const bytesMax = 1_000_000;

/** A pickle cut at these lengths, the last piece as long as it is. */
function cut(pickle: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const length of lengths) {
    pieces.push(pickle.subarray(at, at + length));
    at += length;
  }
  return [...pieces, pickle.subarray(at)];
}

function taken(pieces: readonly Uint8Array[], commandBytesMax = bytesMax): Entry | null {
  const entry = new EntryPieces(commandBytesMax);
  for (const piece of pieces) entry.add(piece);
  return entry.finish();
}

/** Short ones, and the same over and over again: what is found is shown as short as it is. */
const some = fc.uint8Array({ minLength: 1, maxLength: 40 });
const times = fc.constantFrom(1, 1, 20, 2_000);
const count = fc.maxSafeNat();
const lengths = fc.array(fc.oneof(fc.integer({ min: 0, max: 9 }), fc.nat(70_000)), {
  maxLength: 6,
});

test("an entry comes together wherever its pickle is cut", () => {
  fc.assert(
    fc.property(some, times, count, count, lengths, fc.constantFrom(2, 3, 4), (...given) => {
      const [part, repeats, index, term, at, protocol] = given;
      const command = new Uint8Array(Buffer.concat(Array.from({ length: repeats }, () => part)));
      const value = { index, term, command };
      const pickle =
        protocol === 2 ? encodeEntryTuple(value) : laterEntryPickle(value, protocol === 3 ? 3 : 4);
      const entry = taken(cut(pickle, at));
      assert.deepEqual([entry?.index, entry?.term], [index, term]);
      assert.ok(Buffer.from(entry?.command ?? []).equals(command), "its command is the same");
    }),
  );
});

test("a pickle that is not whole makes no entry yet, however often it is asked for", () => {
  const value = { index: 7, term: 3, command: Buffer.from("command ä".repeat(100)) };
  const pickle = encodeEntryTuple(value);
  const pieces = new EntryPieces(bytesMax);
  for (let at = 0; at < pickle.length; at += 1) {
    assert.equal(pieces.finish(), null, `after ${at} bytes`);
    pieces.add(pickle.subarray(at, at + 1));
  }
  assert.deepEqual(pieces.finish()?.index, 7);
});

test("a command is taken up to the limit, and no byte more", () => {
  for (const [byte, times] of [
    [0x41, 1],
    [0xff, 2],
  ] as const) {
    const of = (length: number) =>
      cut(encodeEntryTuple({ index: 2, term: 1, command: new Uint8Array(length).fill(byte) }), [
        5_000 * times,
      ]);
    assert.equal(taken(of(10_000), 10_000)?.command.length, 10_000);
    const pieces = new EntryPieces(10_000);
    for (const piece of of(10_001)) pieces.add(piece);
    assert.ok(pieces.isTooLarge);
    assert.equal(pieces.finish(), null);
  }
});

test("so it is where the character with which it is too large stands in two pieces", () => {
  const command = Buffer.concat([Buffer.alloc(299, 0x41), Buffer.of(0xff)]);
  const pickle = encodeEntryTuple({ index: 2, term: 1, command });
  for (let at = 1; at < pickle.length; at += 1) {
    for (const length of [1, pickle.length]) {
      const pieces = new EntryPieces(299);
      for (const piece of cut(pickle, [at, length])) pieces.add(piece);
      assert.ok(pieces.isTooLarge, `cut at ${at}`);
      assert.equal(pieces.finish(), null);
    }
  }
});

test("one that says that it is too large is given up before it has come", () => {
  const pickle = encodeEntryTuple({ index: 2, term: 1, command: new Uint8Array(50_000) });
  const pieces = new EntryPieces(20_000);
  pieces.add(pickle.subarray(0, 200));
  assert.ok(pieces.isTooLarge);
});

test("what is no entry is refused, and nothing of it is kept", () => {
  const text = (...content: (string | Uint8Array)[]) => {
    const utf8 = Buffer.concat(content.map((part) => Buffer.from(part)));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(utf8.length);
    return Buffer.concat([Buffer.from("X"), length, utf8]);
  };
  const start = Buffer.from("\x80\x02c_codecs\nencode\n", "latin1");
  const end = Buffer.from("X\x06\0\0\0latin1\x86RK\x02K\x01\x87.", "latin1");
  const long = "x".repeat(300);
  assert.equal(taken([start, text(long), end])?.command.length, 300);
  for (const [what, pieces] of Object.entries({
    "beyond Latin-1": [start, text(long, "€"), end],
    "cut within a character": [start, text(long, Buffer.of(0xc3)), end],
    "another command than the text": [start, text(long), Buffer.from("0"), end, end],
    "an index that is none": [
      ...[start, text(long)],
      Buffer.from("X\x06\0\0\0latin1\x86RNK\x01\x87.", "latin1"),
    ],
    "more behind it than there can be": [start, text(long), Buffer.alloc(200, "N"), end],
    "no entry at all": [Buffer.alloc(200_000, "]")],
    "another beginning": [Buffer.alloc(60_000, "]"), Buffer.from(".")],
  })) {
    assert.throws(() => taken(pieces), { name: "ProtocolError" }, what);
  }
});
