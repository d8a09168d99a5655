import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { encodeDelete, encodeSet } from "../../protocol/log/kv-calls.js";
import { PyFloat } from "../../protocol/pickle/values.js";
import { evaluate, type KvState } from "../../src/store/kv-rules.js";
import { parsePlainSet } from "../../src/store/plain-set.js";
import { type KvCall, parseAnyCall } from "../../src/store/python-call.js";
import { makeRecord, type StoredRecord } from "../../src/store/record.js";
import { callCommand, dictOf } from "./commands.js";

const times = fc.oneof(fc.double(), fc.constantFrom(0, -0, 1, Number.NaN));
const text = fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.constant("\ufffd"));
const sets = fc.record({
  key: text,
  value: text,
  updated: times,
  created: times,
  expire: fc.option(times, { nil: undefined }),
});

/** As Python's pickler writes it: with its memo. */
function withMemo(command: Uint8Array, isLong = false): Uint8Array {
  const out: number[] = [...command.subarray(0, 5)];
  let places = 0;
  const put = () => {
    out.push(...(isLong ? [0x72, places, 0, 0, 0] : [0x71, places]));
    places += 1;
  };
  for (let at = 5; at < command.length; ) {
    const code = command[at] ?? 0;
    const view = new DataView(command.buffer, command.byteOffset);
    const bytes = code === 0x58 ? 5 + view.getUint32(at + 1, true) : code === 0x47 ? 9 : 1;
    out.push(...command.subarray(at, at + bytes));
    if (code === 0x58 || code === 0x7d || code === 0x86) put();
    at += bytes;
  }
  return Uint8Array.from(out);
}

const older: readonly (StoredRecord | undefined)[] = [
  undefined,
  makeRecord("k", "k", recordOf(1)),
  makeRecord("k", "k", recordOf(Number.NaN)),
  makeRecord("k", "k", dictOf({ created: true, updated: 2 })),
  makeRecord("k", "k", dictOf({ value: "without created" })),
  makeRecord("k", "k", dictOf({})),
];

function recordOf(created: number) {
  return dictOf({
    value: "old",
    updated: new PyFloat(1),
    created: new PyFloat(created),
    index: 3,
  });
}

/** The record that comes of it, or what Python would raise. */
function outcome(call: KvCall, old: StoredRecord | undefined): unknown {
  const state: KvState = { record: () => old, oddKeys: 0 };
  try {
    const effect = evaluate(call, state, 7);
    if (effect.kind === "put") return [effect.id, effect.record.toDict()];
    if (effect.kind !== "set") return effect;
    return [effect.id, makeRecord(effect.key, effect.id, effect.dict).toDict()];
  } catch (error) {
    return String(error);
  }
}

/** @returns whether it was recognized. */
function agrees(command: Uint8Array): boolean {
  const plain = parsePlainSet(command);
  if (plain === null) return false;
  const general = parseAnyCall(command);
  const { key } = plain;
  assert.deepEqual({ ...general }, { kind: "set", key, value: plain.toDict(), extra: new Map() });
  for (const old of older) assert.deepEqual(outcome(plain, old), outcome(general, old));
  return true;
}

describe("plain sets", () => {
  it("what is recognized is what the general decoder and the general rules make of it", () => {
    let recognized = 0;
    const check = (command: Uint8Array) => {
      recognized += agrees(command) ? 1 : 0;
    };
    fc.assert(
      fc.property(sets, ({ key, expire, ...rest }) => {
        const value = expire === undefined ? rest : { ...rest, expire };
        const command = encodeSet(key, value);
        check(command);
        check(withMemo(command));
      }),
      { numRuns: 1_000 },
    );
    assert.ok(recognized > 500, `only ${recognized} recognized`);
  });

  it("… whatever is wrong with it", () => {
    const command = encodeSet("/key", { value: "väl", updated: 2.5, created: 2.5, expire: 9 });
    for (const whole of [command, withMemo(command), withMemo(command, true)]) {
      for (let at = 0; at < whole.length; at++) {
        agrees(whole.subarray(0, at));
        for (const byte of [0, 1, 2, 0x28, 0x2e, 0x47, 0x58, 0x71, 0x72, 0x75, 0x7d, 0x86, 0xff]) {
          const changed = new Uint8Array(whole);
          changed[at] = byte;
          assert.doesNotThrow(() => parsePlainSet(changed));
          if (parsePlainSet(changed) !== null) agrees(changed);
        }
      }
      agrees(Uint8Array.from([...whole, 0x2e]));
    }
  });

  it("other calls are left to the general decoder", () => {
    const value = { value: "v", updated: 1, created: 1 };
    assert.ok(agrees(encodeSet("/key", value)));
    for (const command of [
      encodeSet("/key", value, { prevExist: true }),
      encodeDelete("/key"),
      encodeSet("\u0000key", value),
      callCommand(2, ["/key", dictOf({ value: "v" })]),
      callCommand(2, ["/key", dictOf({ value: 1, updated: new PyFloat(1), created: 1 })]),
      encodeSet("/key", { ...value, value: "x".repeat(9_000) }),
      new Uint8Array(0),
    ]) {
      assert.equal(parsePlainSet(command), null);
    }
  });
});
