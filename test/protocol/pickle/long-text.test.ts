import assert from "node:assert/strict";
import { test } from "node:test";
import { decodePickle } from "../../../protocol/pickle/decoder.js";
import { encodePickle } from "../../../protocol/pickle/encoder.js";
import { PySurrogateStr, type PyValue } from "../../../protocol/pickle/values.js";

/** Long texts are converted another way than short ones, in pieces of 256 KiB. */
const pieceBytes = 256 * 1024;
const alphabets = ["x", "é", "xé", "ÿ\u0080", "€", "x€\ufffd", "🐘", "aé€🐘"];
const lengths = [33_000, pieceBytes - 1, pieceBytes, pieceBytes + 1, 3 * pieceBytes + 2];

function text(alphabet: string, bytes: number): string {
  const repeated = alphabet.repeat(Math.ceil(bytes / Buffer.byteLength(alphabet)));
  return repeated.slice(0, repeated.length - (repeated.length % alphabet.length));
}

/** A str as it stands in a pickle, whatever its bytes are. */
function strPickle(utf8: Uint8Array): Uint8Array {
  const head = Buffer.from("X\0\0\0\0");
  head.writeUInt32LE(utf8.length, 1);
  return Buffer.concat([head, utf8, Buffer.from(".")]);
}

/** The same for bytes, as Python 3 writes them in protocol 2. */
function bytesPickle(utf8: Uint8Array): Uint8Array {
  const call = Buffer.from("X\x06\0\0\0latin1\x86R.");
  const str = strPickle(utf8);
  return Buffer.concat([Buffer.from("c_codecs\nencode\n"), str.subarray(0, -1), call]);
}

test("a long text is decoded as what it is, wherever it is cut", () => {
  for (const alphabet of alphabets) {
    for (const length of lengths) {
      // Begun anew at each of four places, so that it does not depend on where it lies in memory.
      for (const before of ["", "a", "ab", "abc"]) {
        const long = before + text(alphabet, length);
        const value: PyValue = [before, long];
        assert.deepEqual(decodePickle(encodePickle(value)), value);
      }
    }
  }
});

test("a text that holds lone surrogates, or is none, is told from one that is well formed", () => {
  const long = text("aé€🐘", pieceBytes);
  const lone = `${long}\ud800${long}`;
  assert.equal(decodePickle(encodePickle(lone)), lone);
  const utf8 = Buffer.from(long);
  const pair = Buffer.concat([utf8, Buffer.from("eda080edb080", "hex"), utf8]);
  assert.ok(decodePickle(strPickle(pair)) instanceof PySurrogateStr);
  for (const fault of ["ff", "c0af", "e282", "f4908080", "80"]) {
    const broken = Buffer.concat([utf8, Buffer.from(fault, "hex"), utf8]);
    assert.throws(() => decodePickle(strPickle(broken)), { code: "pickle-malformed" }, fault);
    assert.throws(() => decodePickle(bytesPickle(broken)), { code: "pickle-malformed" }, fault);
  }
});

test("long bytes travel as the text that they are in Latin-1", () => {
  const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  for (const length of lengths) {
    for (const start of [0, 1, 2, 3, 127, 128, 255]) {
      const bytes = new Uint8Array(length).map((_, at) => all[(start + at * 7) % 256] ?? 0);
      const pickle = encodePickle([start, bytes]);
      assert.deepEqual(decodePickle(pickle), [start, bytes]);
      const utf8 = Buffer.from(Buffer.from(bytes).toString("latin1"));
      assert.ok(Buffer.from(pickle).includes(utf8), "its UTF-8 stands in the pickle");
    }
  }
});

test("a long text beyond Latin-1 makes no bytes", () => {
  for (const one of ["\u0100", "€", "🐘"]) {
    for (const at of [0, pieceBytes - 1, pieceBytes, 2 * pieceBytes]) {
      const utf8 = Buffer.from("é".repeat(at / 2) + one + "x".repeat(33_000));
      assert.throws(() => decodePickle(bytesPickle(utf8)), { code: "pickle-malformed" });
    }
  }
});
