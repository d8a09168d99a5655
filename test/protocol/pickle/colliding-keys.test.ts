import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtocolError } from "../../../protocol/errors.js";
import { checkDumpValues } from "../../../protocol/files/dump-format.js";
import { decodePickle, PickleDecoder } from "../../../protocol/pickle/decoder.js";
import {
  commandPickleLimits,
  type PickleLimits,
  pickleDumpLimits,
  pickleMessageLimits,
  pickleReceivedDumpLimits,
} from "../../../protocol/pickle/limits.js";
import { type PyDict, PyFrozenSet } from "../../../protocol/pickle/values.js";
import { messagePickleLimits, replyPickleLimits } from "../../../protocol/wire/limits.js";

/*
 * V8 hashes numbers without a seed: whoever chooses them can have all keys of a Map meet, so that the next one is
 * compared with each of them. It has to count for that, as so many opcodes.
 */

function refusalOf(pickle: Uint8Array, limits: Partial<PickleLimits>): ProtocolError {
  try {
    decodePickle(pickle, limits);
  } catch (error) {
    assert.ok(error instanceof ProtocolError);
    return error;
  }
  assert.fail("decoded");
}

/** What V8 hashes to the same bucket of small tables: its mix of 32 bits, backwards. */
function collidingInts(count: number): number[] {
  const xorShifted = (value: number, by: number): number => {
    let found = value;
    for (let n = 0; n < 32; n += by) found = value ^ (found >>> by);
    return found >>> 0;
  };
  const times = (value: number, factor: number): number => Math.imul(value, factor) >>> 0;
  // 2057, 5 and 32767 (~k + (k << 15) is 32767 k - 1) and their inverses modulo 2 ** 32.
  const inverse = (factor: number): number => {
    let found = factor;
    for (let n = 0; n < 5; n += 1) found = times(found, 2 - times(factor, found));
    return found;
  };
  const found: number[] = [];
  for (let bucket = 1; found.length < count; bucket += 1) {
    let key = xorShifted(bucket << 14, 16);
    key = xorShifted(times(key, inverse(2057)), 4);
    key = xorShifted(times(key, inverse(5)), 12);
    key = times(key + 1, inverse(32_767));
    if (key < 2 ** 30) found.push(key);
  }
  return found;
}

const binInt = (value: number): Uint8Array => {
  const bytes = Buffer.from("J\0\0\0\0", "latin1");
  bytes.writeInt32LE(value, 1);
  return bytes;
};
/** All of them with the same last 64 bits. */
const longs = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, n) =>
    Buffer.from([0x8a, 11, 5, 0, 0, 0, 0, 0, 0, 0, 1 + (n & 0x7f), n >> 7, 0]),
  );

const sizeOf = (value: unknown): number =>
  value instanceof Map || value instanceof Set ? value.size : -1;

for (const [what, keys, many, least] of [
  ["ints", collidingInts(20_000).map(binInt), 8_192, 8_192 ** 2 / 64 / 16_384],
  ["ints beyond 64 bits", longs(20_000), 4_096, 4_096 ** 2 / 16 / 16_384],
] as const) {
  const setOf = (count: number) =>
    Buffer.concat([
      Buffer.from("\x80\x04\x8f(", "latin1"),
      ...keys.slice(0, count),
      Buffer.from([0x90, 0x2e]),
    ]);
  const nones = (count: number) => keys.slice(0, count).flatMap((key) => [key, Buffer.from("N")]);
  const inOneStep: readonly [string, (count: number) => Uint8Array][] = [
    ["ADDITEMS", setOf],
    [
      "FROZENSET",
      (count) =>
        Buffer.concat([Buffer.from("("), ...keys.slice(0, count), Buffer.from([0x91, 0x2e])]),
    ],
    ["SETITEMS", (count) => Buffer.concat([Buffer.from("}("), ...nones(count), Buffer.from("u.")])],
    ["DICT", (count) => Buffer.concat([Buffer.from("("), ...nones(count), Buffer.from("d.")])],
    [
      "set",
      (count) =>
        Buffer.concat([
          Buffer.from("c__builtin__\nset\n](", "latin1"),
          ...keys.slice(0, count),
          Buffer.from("e\x85R.", "latin1"),
        ]),
    ],
    [
      "OrderedDict",
      (count) =>
        Buffer.concat([
          Buffer.from("ccollections\nOrderedDict\n](", "latin1"),
          ...keys.slice(0, count).flatMap((key) => [key, Buffer.from("N\x86", "latin1")]),
          Buffer.from("e\x85R.", "latin1"),
        ]),
    ],
  ];

  test(`one opcode with many ${what}, in a dump that others send, takes as many steps as it has to`, () => {
    for (const [opcode, of] of inOneStep) {
      const pickle = of(many);
      const decoder = new PickleDecoder(pickle, pickleReceivedDumpLimits);
      let steps = 1;
      while (!decoder.run(16 * 1024)) steps += 1;
      const value = decoder.result();
      assert.equal(value instanceof PyFrozenSet ? value.items.length : sizeOf(value), many, opcode);
      assert.ok(steps >= least && steps < 4 * least, `${opcode}: ${steps}`);
      const few = { ...pickleReceivedDumpLimits, opsMax: 16 * 1024 * least };
      assert.match(refusalOf(pickle, few).message, /too many opcodes/, opcode);
    }
  });

  test(`a message, a reply and a command compare few ${what}`, () => {
    for (const limits of [messagePickleLimits, replyPickleLimits, commandPickleLimits(2 ** 23)]) {
      assert.match(refusalOf(setOf(20_000), limits).message, /too many opcodes/);
    }
    assert.ok(decodePickle(setOf(500), commandPickleLimits(2 ** 23)) !== null);
  });

  test(`a dump's decoder pauses between batches of ${what}`, () => {
    const batches: Uint8Array[] = [];
    for (let from = 0; from < 8_000; from += 1_000) {
      batches.push(Buffer.from("("), ...keys.slice(from, from + 1_000), Buffer.from([0x90]));
    }
    const pickle = Buffer.concat([
      Buffer.from("\x80\x04\x8f", "latin1"),
      ...batches,
      Buffer.from("."),
    ]);
    const decoder = new PickleDecoder(pickle, pickleDumpLimits);
    let steps = 1;
    while (!decoder.run(16 * 1024)) steps += 1;
    assert.ok(steps >= 8, `${steps}`);
  });
}

test("places of the memo that a pickle leaves gaps between are compared as well", () => {
  const at = (code: string, place: number): Uint8Array => {
    const bytes = Buffer.from(`${code}\0\0\0\x000`, "latin1");
    bytes.writeUInt32LE(place, code.length);
    return bytes;
  };
  const pickle = (from: number): Uint8Array =>
    Buffer.concat([
      ...Array.from({ length: 3_000 }, (_, n) => at("Nr", from + n)),
      ...Array.from({ length: 10_000 }, () => at("j", from)),
      Buffer.from("N."),
    ]);
  const limits = { ...pickleMessageLimits, opsMax: 100_000 };
  assert.equal(decodePickle(pickle(0), limits), null);
  assert.match(refusalOf(pickle(10), limits).message, /too many opcodes/);
});

test("so are the keys of a large container, with the first one that an equal one may be among", () => {
  const count = 40_000;
  const ints = Array.from({ length: count }, (_, n) => binInt(n));
  const floats = Buffer.concat(
    [1, 2].map((n) => Buffer.from(`G?${"\0".repeat(6)}${String.fromCharCode(n)}`, "latin1")),
  );
  const strs = Array.from({ length: count }, (_, n) => Buffer.from(`X\x05\0\0\0${n + 10_000}`));
  const pickle = (keys: readonly Uint8Array[]) =>
    Buffer.concat([Buffer.from("\x8f(", "latin1"), ...keys, floats, Buffer.from([0x90, 0x2e])]);
  const few = { ...pickleMessageLimits, opsMax: count + 2 * 10_000 };
  assert.match(refusalOf(pickle(strs), few).message, /too many opcodes/);
  assert.ok(decodePickle(pickle(strs), { ...few, opsMax: count + 3 * 10_000 }) !== null);
  assert.match(refusalOf(pickle(ints), few).message, /too many opcodes/);
});

test("a value has few ints as names of its own fields, and as many as it likes further in", () => {
  const ints = (count: number): PyDict =>
    new Map(Array.from({ length: count }, (_, n) => [n, null] as const));
  const look = (value: PyDict): number => [...checkDumpValues(new Map([["/k", value]]))].length;
  look(ints(4_000));
  look(new Map([["value", ints(20_000)]]));
  assert.throws(() => look(ints(5_000)), { code: "dump-malformed", message: /ints among them/ });
});
