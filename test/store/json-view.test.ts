import assert from "node:assert/strict";
import { test } from "node:test";
import {
  PyFloat,
  PyFrozenSet,
  PyInstance,
  PySurrogateStr,
  PyTuple,
  type PyValue,
} from "../../protocol/pickle/values.js";
import { keyToText, toJson } from "../../src/store/json-view.js";
import { dictOf, float } from "./commands.js";

test("a usual value in its usual order", () => {
  const value = dictOf({
    index: 7,
    expire: float(9.5),
    updated: float(2),
    created: float(1),
    value: "{}",
  });
  const text = '{"value":"{}","created":1,"updated":2,"expire":9.5,"index":7}';
  assert.equal(JSON.stringify(toJson(value)), text);
});

test("what JSON has no word for is shown safely", () => {
  const shown: readonly [PyValue, unknown][] = [
    [float(Number.NaN), "nan"],
    [float(Number.NEGATIVE_INFINITY), "-inf"],
    [2n ** 64n, "18446744073709551616"],
    [Uint8Array.of(0, 255), { bytes: "00ff" }],
    [new PyTuple([1, new PyFloat(2)]), [1, 2]],
    [new PyFrozenSet([null]), [null]],
    [new Set([true]), [true]],
    [new Map<PyValue, PyValue>([["a", 1]]), { a: 1 }],
    [new Map<PyValue, PyValue>([[1, 2]]), [[1, 2]]],
    [new PyInstance("m.C", dictOf({ a: 1 })), { class: "m.C", state: { a: 1 } }],
    [new PySurrogateStr(Uint8Array.of(0xed, 0xa0, 0xbd, 0x61)), "\ud83da"],
  ];
  for (const [value, expected] of shown) {
    assert.deepEqual(toJson(dictOf({ value })).value, expected);
  }
});

test("a value that holds itself ends in an ellipsis", () => {
  const cyclic: PyValue[] = [];
  cyclic.push(cyclic);
  assert.match(JSON.stringify(toJson(dictOf({ value: cyclic }))), /\["…"\]/);
});

test("a field named __proto__ is a field", () => {
  const json = toJson(new Map<PyValue, PyValue>([["__proto__", new Map([["x", 1]])]]));
  assert.match(JSON.stringify(json), /"__proto__":\{"x":1\}/);
  assert.equal("x" in json, false);
});

test("a field that is missing is null, but for expire", () => {
  assert.deepEqual(toJson(new Map()), { value: null, created: null, updated: null, index: null });
});

test("fields that are no str, and keys that are no str", () => {
  assert.equal(toJson(new Map<PyValue, PyValue>([[5, "x"]]))["5"], "x");
  assert.equal(keyToText("/a"), "/a");
  assert.equal(keyToText(new PyTuple(["a", 1])), '["a",1]');
});
