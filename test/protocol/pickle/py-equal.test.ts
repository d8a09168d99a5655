import assert from "node:assert/strict";
import { test } from "node:test";
import { pyEquals, pyTruthy } from "../../../protocol/pickle/py-equal.js";
import {
  PyFloat,
  PyFrozenSet,
  PyInstance,
  PyOrderedDict,
  PySurrogateStr,
  PyTuple,
  type PyValue,
} from "../../../protocol/pickle/values.js";

const nan = new PyFloat(Number.NaN);
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const node = (name: string, id: PyValue): PyInstance =>
  new PyInstance(`pysyncobj.node.${name}`, new Map([["_id", id]]));
const ordered = (...keys: readonly string[]): PyOrderedDict =>
  new PyOrderedDict(keys.map((key) => [key, 1]));
const pair = (): PySurrogateStr => new PySurrogateStr(bytes("x"));

const equal: readonly (readonly [PyValue, PyValue])[] = [
  [null, null],
  [1, true],
  [0, false],
  [1, new PyFloat(1)],
  [true, new PyFloat(1)],
  [2n ** 53n, new PyFloat(2 ** 53)],
  [new PyFloat(0), new PyFloat(-0)],
  ["a", "a"],
  [bytes("a"), bytes("a")],
  [pair(), pair()],
  [
    [1, [2]],
    [true, [new PyFloat(2)]],
  ],
  [[nan], [nan]],
  [new PyTuple([1]), new PyTuple([new PyFloat(1)])],
  [new Map([["a", 1]]), new Map([["a", true]])],
  [new Map([[1, null]]), new Map([[true, null]])],
  [new Map([[new PyTuple([1]), 2]]), new Map([[new PyTuple([1]), 2]])],
  [ordered("a", "b"), ordered("a", "b")],
  [ordered("a", "b"), new Map([...ordered("b", "a")])],
  [new Map([...ordered("b", "a")]), ordered("a", "b")],
  [new PyOrderedDict([[1, null]]), new PyOrderedDict([[true, null]])],
  [new Set([1, "a"]), new PyFrozenSet(["a", new PyFloat(1)])],
  [new Set([new PyFrozenSet([1, 2])]), new Set([new PyFrozenSet([2, 1])])],
  [node("TCPNode", "a:1"), node("Node", "a:1")],
];

const different: readonly (readonly [PyValue, PyValue])[] = [
  [null, false],
  [null, 0],
  [nan, nan],
  [[nan], [new PyFloat(Number.NaN)]],
  ["1", 1],
  ["a", bytes("a")],
  ["x", pair()],
  [2n ** 53n + 1n, new PyFloat(2 ** 53)],
  [2n ** 64n, new PyFloat(Number.POSITIVE_INFINITY)],
  [[1], new PyTuple([1])],
  [[1], [1, 2]],
  [new Map([["a", null]]), new Map([["b", null]])],
  [new Map([["a", 1]]), new Map([["a", 2]])],
  [ordered("a", "b"), ordered("b", "a")],
  [[ordered("a", "b")], [ordered("b", "a")]],
  [new Set([1]), new Set([2])],
  [new Set([1]), [1]],
  [new PyTuple(["ab", "c"]), new PyTuple(["a", "bc"])],
  [new Set([new PyTuple(["a", "b"])]), new Set([new PyTuple(["a1:b"])])],
  [node("Node", "a"), node("Node", "b")],
  [node("Node", "a"), "a"],
];

test("values that Python holds equal are equal, both ways round", () => {
  for (const [a, b] of equal) {
    assert.ok(pyEquals(a, b) && pyEquals(b, a), `${String(a)} == ${String(b)}`);
  }
});

test("values that Python holds different are different, both ways round", () => {
  for (const [a, b] of different) {
    assert.ok(!pyEquals(a, b) && !pyEquals(b, a), `${String(a)} != ${String(b)}`);
  }
});

test("truth is Python's", () => {
  const truthy: PyValue[] = [
    true,
    1,
    -1n,
    "0",
    nan,
    bytes("a"),
    [0],
    new PyTuple([0]),
    new Set([0]),
    pair(),
  ];
  const empty: PyValue[] = [
    [],
    new PyTuple([]),
    new PyFrozenSet([]),
    new Map(),
    new Set(),
    bytes(""),
  ];
  const falsy: PyValue[] = [null, false, 0, 0n, "", new PyFloat(0), new PyFloat(-0), ...empty];
  assert.deepEqual(
    truthy.filter((value) => !pyTruthy(value)),
    [],
  );
  assert.deepEqual(falsy.filter(pyTruthy), []);
});
