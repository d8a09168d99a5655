import assert from "node:assert/strict";
import { test } from "node:test";
import { decodePickle } from "../../../protocol/pickle/decoder.js";
import { encodePickle, PickleWriter } from "../../../protocol/pickle/encoder.js";
import {
  PyFloat,
  PyInstance,
  PySurrogateStr,
  PyTuple,
  type PyValue,
} from "../../../protocol/pickle/values.js";

function shown(value: PyValue): string {
  return Buffer.from(encodePickle(value)).toString("latin1").slice(2, -1);
}

const cases: readonly (readonly [name: string, value: PyValue, pickle: string])[] = [
  ["None", null, "N"],
  ["True", true, "\x88"],
  ["the largest one-byte int", 255, "K\xff"],
  ["the smallest two-byte int", 256, "M\x00\x01"],
  ["the smallest four-byte int", 65536, "J\x00\x00\x01\x00"],
  ["a negative int", -1, "J\xff\xff\xff\xff"],
  ["2^31 - 1", 2147483647, "J\xff\xff\xff\x7f"],
  ["2^31", 2147483648, "\x8a\x05\x00\x00\x00\x80\x00"],
  ["-2^31 - 1", -2147483649, "\x8a\x05\xff\xff\xff\x7f\xff"],
  ["-2^63", -(2n ** 63n), "\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80"],
  ["2^63", 2n ** 63n, "\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x80\x00"],
  ["a small bigint", 5n, "K\x05"],
  ["a float", new PyFloat(1), "G?\xf0\x00\x00\x00\x00\x00\x00"],
  ["a str", "€", "X\x03\x00\x00\x00\xe2\x82\xac"],
  ["a lone surrogate", "\ud800x", "X\x04\x00\x00\x00\xed\xa0\x80x"],
  [
    "a pair",
    new PySurrogateStr(Buffer.from("eda0bdedb880", "hex")),
    "X\x06\x00\x00\x00\xed\xa0\xbd\xed\xb8\x80",
  ],
  ["empty bytes", new Uint8Array(0), "c__builtin__\nbytes\n)R"],
  [
    "bytes",
    new Uint8Array([0x61, 0xff]),
    "c_codecs\nencode\nX\x03\x00\x00\x00a\xc3\xbfX\x06\x00\x00\x00latin1\x86R",
  ],
  [
    "tuples",
    new PyTuple([1, new PyTuple([]), new PyTuple([1, 2, 3, 4])]),
    "K\x01)(K\x01K\x02K\x03K\x04t\x87",
  ],
  ["a list", [null], "](Ne"],
  ["empty containers", [[], new Map()], "](]}e"],
  ["a dict", new Map([["a", null]]), "}(X\x01\x00\x00\x00aNu"],
  ["a set", new Set([1]), "c__builtin__\nset\n](K\x01e\x85R"],
  [
    "a node",
    new PyInstance("pysyncobj.node.Node", new Map([["_id", "x"]])),
    "cpysyncobj.node\nNode\n)\x81}(X\x03\x00\x00\x00_idX\x01\x00\x00\x00xub",
  ],
];

for (const [name, value, pickle] of cases) {
  test(`encodes ${name}`, () => assert.equal(shown(value), pickle));
}

for (const length of [23, 24, 25, 1000, 65_535, 65_536, 65_537, 300_000]) {
  test(`texts and bytes of length ${length} come back`, () => {
    const bytes = Uint8Array.from({ length }, (_, index) => index & 0xff);
    const values = [
      "x".repeat(length),
      "ä".repeat(length),
      `${"😀".repeat(length / 2)}`,
      `${"€".repeat(length - 1)}\udc00`,
      bytes,
    ];
    assert.deepStrictEqual(decodePickle(encodePickle(values)), values);
  });
}

test("what is no Python value is our own mistake, not a fault of a peer", () => {
  const deep: PyValue[] = [];
  let inner = deep;
  for (let depth = 0; depth < 10_000; depth++) {
    const next: PyValue[] = [];
    inner.push(next);
    inner = next;
  }
  const cyclic: PyValue[] = [];
  cyclic.push(cyclic);
  const wrong = [1.5, 2 ** 53, Number.NaN, deep, cyclic, new PyInstance("os.system", new Map())];
  for (const value of wrong) assert.throws(() => encodePickle(value), { name: "Error" });
  assert.equal(decodePickle(encodePickle("still works")), "still works");
});

test("a sequence taken from the writer stays as it is while the writer goes on", () => {
  const writer = new PickleWriter();
  writer.writeProto();
  writer.mark();
  writer.writeInt(1);
  const first = writer.take();
  writer.writeStr("two");
  writer.writeBytes(new Uint8Array([3]));
  writer.writeBool(false);
  writer.tuple();
  writer.writeStop();
  assert.equal(writer.length, 8 + 35 + 3);
  const whole = Buffer.concat([first, writer.take()]);
  const wanted = new PyTuple([1, "two", new Uint8Array([3]), false]);
  assert.deepStrictEqual(decodePickle(whole), wanted);
  assert.equal(writer.length, 0);
});

test("a large result and what follows it do not share memory", () => {
  const writer = new PickleWriter();
  writer.writeStr("a".repeat(200_000));
  const large = writer.take();
  writer.writeStr("b".repeat(200_000));
  assert.equal(large[100], 0x61);
  assert.equal(large.length, 200_005);
});
