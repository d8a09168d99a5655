import assert from "node:assert/strict";
import { test } from "node:test";
import { type PyDict, PyTuple, type PyValue } from "../../protocol/pickle/values.js";
import { jsonPieces } from "../../src/http/json-pieces.js";
import { jsonPieceCharsMax, kvChunkCharsMax } from "../../src/http/limits.js";
import { type JsonValue, toJson, toPiecewiseJson } from "../../src/store/json-view.js";
import { Dice } from "../fuzz/dice.js";

const alphabet = ["a", "\u0001", '"', "\\", "é", "文", "\u2028", "😀", "\ud83d", "\ude00"];

function randomText(dice: Dice): string {
  const part = Array.from({ length: 1 + dice.below(12) }, () => dice.pick(alphabet)).join("");
  // Long ones end anywhere about the places where they are cut.
  const length = dice.pick([0, 3, jsonPieceCharsMax, 3 * jsonPieceCharsMax]);
  return part.repeat(Math.ceil(length / part.length)) + part;
}

function randomValue(dice: Dice, depth: number): JsonValue {
  const items = () => Array.from({ length: dice.below(7) }, () => randomValue(dice, depth - 1));
  switch (depth === 0 ? dice.below(3) : dice.below(7)) {
    case 0:
      return dice.pick([null, true, false]);
    case 1:
      return dice.pick([0, -0, 1.5, -1e300, 2 ** 53 - 1]);
    case 2:
    case 3:
      return randomText(dice);
    case 4:
      return items();
    case 5:
      return Array.from({ length: dice.pick([10, 10_000]) }, (_, n) => n);
    default:
      return Object.fromEntries(items().map((item) => [randomText(dice), item]));
  }
}

test("the pieces joined are JSON.stringify's, and none is longer than a chunk", () => {
  for (let seed = 0; seed < 400; seed++) {
    const value = randomValue(new Dice(seed), 3);
    const pieces = [...jsonPieces(value)];
    assert.ok(pieces.join("") === JSON.stringify(value), `seed ${seed}`);
    for (const { length } of pieces)
      assert.ok(length <= kvChunkCharsMax, `seed ${seed}: ${length}`);
  }
});

test("a pair on the place where a text is cut stays one", () => {
  for (let before = jsonPieceCharsMax - 4; before <= jsonPieceCharsMax + 4; before++) {
    for (const middle of ["😀", "\ud83d\ud83d\ude00", "\ude00\ud83d", "\ud83d"]) {
      const text = `${"x".repeat(before)}${middle}${"y".repeat(jsonPieceCharsMax)}`;
      assert.ok([...jsonPieces(text)].join("") === JSON.stringify(text), `${before}`);
    }
  }
});

test("a field that is undefined is left out, and one named __proto__ is a field", () => {
  const long = "x".repeat(jsonPieceCharsMax);
  const odd = Object.fromEntries([["__proto__", long]]);
  for (const value of [
    { a: undefined, b: long, c: "c" },
    { a: undefined, ...odd, c: undefined },
    { a: "a", b: undefined, c: odd },
  ]) {
    assert.equal([...jsonPieces(value)].join(""), JSON.stringify(value));
  }
});

test("what is short is one piece, and what is long is made when it is asked for", () => {
  assert.equal([...jsonPieces({ value: "short", index: 1 })].length, 1);
  const pieces = jsonPieces({ value: "\u0001".repeat(8 * 1024 * 1024) });
  const first = Array.from({ length: 8 }, () => pieces.next().value ?? "");
  assert.ok(first.join("").length <= 8 * kvChunkCharsMax);
});

test("bytes are given as hex in pieces, as they would be at once", () => {
  const pieceBytes = jsonPieceCharsMax / 2;
  for (const length of [0, 1, pieceBytes, pieceBytes + 1, 5 * pieceBytes + 7]) {
    const bytes = new Uint8Array(length).map((_, at) => at * 31);
    const dict: PyDict = new Map<PyValue, PyValue>([
      ["value", bytes],
      ["more", new PyTuple([bytes, new Map<PyValue, PyValue>([[bytes.subarray(0, 9), bytes]])])],
    ]);
    const pieces = [...jsonPieces(toPiecewiseJson(dict))];
    assert.ok(pieces.join("") === JSON.stringify(toJson(dict)), `${length} bytes`);
    for (const piece of pieces) assert.ok(piece.length <= 2 * jsonPieceCharsMax);
    assert.equal(JSON.stringify(toPiecewiseJson(dict)), JSON.stringify(toJson(dict)));
  }
});
