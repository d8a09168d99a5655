import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { checkDumpValues, DumpEncoder, parseDump } from "../../protocol/files/dump-format.js";
import { encodeExpire } from "../../protocol/log/kv-calls.js";
import { decodePickle, PickleDecoder } from "../../protocol/pickle/decoder.js";
import { encodePickle } from "../../protocol/pickle/encoder.js";
import {
  boundedDumpLimits,
  type PickleLimits,
  pickleDumpLimits,
} from "../../protocol/pickle/limits.js";
import { op } from "../../protocol/pickle/opcodes.js";
import { pyEquals } from "../../protocol/pickle/py-equal.js";
import type { PyDict } from "../../protocol/pickle/values.js";
import { keyToText, toJson } from "../../src/store/json-view.js";
import { Store } from "../../src/store/store.js";
import { Dice } from "../fuzz/dice.js";
import { strictForm } from "../protocol/pickle/strict-form.js";
import { contentOf } from "./commands.js";
import {
  bytesOf,
  nestedLists,
  RawValues,
  rawBytes,
  setOf,
  setOfValue,
  textOf,
} from "./raw-commands.js";

/*
 * Whatever a command brings into a store has to come out of it: into a dump that the member itself and its
 * followers can read, and into the command that removes it when its time is over.
 */

const entry = (index: number) => ({ index, term: 1, command: Uint8Array.of(1) });

function dumpOf(store: Store): Uint8Array {
  const encoder = new DumpEncoder(0);
  for (const [key, value] of store.entries()) encoder.add(key, value);
  encoder.finish(entry(9), entry(8), ["a.example:1"]);
  return encoder.take();
}

/** As a follower takes it that is meant to hold as much as this store, and nothing besides. */
function receivedLimits(store: Store): PickleLimits {
  const spareBytes = 4 * 1024;
  return boundedDumpLimits(store.bytes + spareBytes, 64 * 1024);
}

function readDump(dump: Uint8Array, limits: PickleLimits): PyDict {
  const decoder = new PickleDecoder(dump, limits);
  decoder.run(Number.MAX_SAFE_INTEGER);
  const { data } = parseDump(decoder.result());
  assert.equal([...checkDumpValues(data)].length >= 0, true);
  return data;
}

function assertWrittenAgain(store: Store): void {
  const dump = dumpOf(store);
  for (const limits of [pickleDumpLimits, receivedLimits(store)]) {
    const read = Store.fromDump(readDump(dump, limits));
    assert.equal(strictForm(contentOf(read)), strictForm(contentOf(store)));
    assert.equal(read.bytes, store.bytes);
  }
  for (const [key, value] of store.entries()) JSON.stringify([keyToText(key), toJson(value)]);
}

/** The command that a leader removes each key with removes it, where its value is one that equals itself. */
function assertExpires(store: Store): void {
  for (const [key, value] of store.entries()) {
    const outcome = store.apply(encodeExpire(key, value), 1_000);
    assert(!("raised" in outcome), "raised" in outcome ? outcome.raised : "");
    // With a nan in it, or an object that is known by its place in memory, no copy equals it.
    const copy = decodePickle(encodePickle(value), pickleDumpLimits);
    if (pyEquals(value, copy)) assert.equal(store.get(key), null);
  }
}

const expire = bytesOf(op.binInt1, 7);

suite("what is applied can be written again", () => {
  test("lists in one another", () => {
    for (let depth = 100; depth <= 127; depth += 1) {
      const store = new Store();
      const outcome = store.apply(setOfValue("/k", nestedLists(depth), { expire }), 2);
      assert.equal("raised" in outcome, depth > 125, `${depth}`);
      assertWrittenAgain(store);
      assertExpires(store);
      assert.equal(store.size, 0, `${depth}`);
    }
  });

  test("ints of as many digits as there may be, and of more", () => {
    for (let digits = 4_298; digits <= 4_303; digits += 1) {
      const text = "9".repeat(digits);
      for (const int of [`I${text}\n`, `I-${text}\n`, `L${text}L\n`, `L-${text}L\n`]) {
        const store = new Store();
        const outcome = store.apply(setOfValue("/k", bytesOf(int), { expire }), 2);
        assert.equal("raised" in outcome, digits > 4_300, int.slice(0, 3));
        assertWrittenAgain(store);
        assertExpires(store);
      }
    }
  });

  test("keys that are no texts, as large as those of a dict may be, and larger", () => {
    for (const [length, isTaken] of [
      [60_000, true],
      [70_000, false],
    ] as const) {
      const store = new Store();
      const key = rawBytes(Buffer.alloc(length, "a"));
      const outcome = store.apply(setOf(key, { value: textOf("x") }), 2);
      assert.equal(!("raised" in outcome), isTaken);
      assertWrittenAgain(store);
    }
  });

  const many = (part: Buffer, count: number) =>
    bytesOf(op.emptyList, op.mark, Buffer.alloc(part.length * count, part), op.appends);

  for (const [name, part] of [
    ["sets", bytesOf(op.emptySet)],
    ["frozensets", bytesOf(op.mark, op.frozenSet)],
    ["dicts", bytesOf(op.emptyDict)],
    ["tuples", bytesOf(op.emptyTuple)],
    ["bytes", bytesOf(op.shortBinBytes, 1, 0xff)],
    ["empty bytes", bytesOf(op.shortBinBytes, 0)],
    ["floats", bytesOf(op.binFloat, Buffer.alloc(8))],
  ] as const) {
    test(`a follower takes a dump of many ${name}`, () => {
      const store = new Store();
      for (let n = 0; n < 4; n += 1) store.apply(setOfValue(`/k${n}`, many(part, 5_000)), n + 2);
      assert.equal(store.size, 4);
      assertWrittenAgain(store);
    });
  }

  test("a long list is written a thousand at a time, as a follower may take 65,536 at most", () => {
    const list = Array.from({ length: 70_000 }, () => null);
    const dict = new Map(list.map((_, n) => [`${n}`, null]));
    const value = new Map([["value", new Map<string, typeof list | typeof dict>([["l", list]])]]);
    value.get("value")?.set("d", dict);
    const store = Store.fromDump(new Map([["/k", value]]));
    const limits = boundedDumpLimits(store.bytes, 100_000);
    assert.equal(Store.fromDump(readDump(dumpOf(store), limits)).bytes, store.bytes);
  });

  test("large ints that are shared count for what they take in a dump", () => {
    const int = bytesOf(op.long4, Buffer.of(0, 4, 0, 0), Buffer.alloc(1_024, 0x7f), op.memoize);
    const row = bytesOf(op.mark, int, Buffer.alloc(2 * 1_000, Buffer.of(op.binGet, 0)), op.tuple);
    const rows = Buffer.alloc(2 * 200, Buffer.of(op.binGet, 1));
    const value = bytesOf(op.emptyList, op.mark, row, op.memoize, rows, op.appends);
    const outcome = new Store().apply(setOfValue("/k", value), 2);
    assert.match("raised" in outcome ? outcome.raised : "", /shared references/);
  });

  test("whatever it is", () => {
    let applied = 0;
    let taken = 0;
    const property = fc.property(fc.integer(), (seed) => {
      const dice = new Dice(seed);
      const values = new RawValues(dice);
      const store = new Store();
      const judged = new Store();
      for (let index = 2; index < 6; index += 1) {
        const command = values.command();
        if (judged.refusal(command, []) === null) {
          judged.apply(command, index);
          taken += 1;
        }
        if (!("raised" in store.apply(command, index))) applied += 1;
      }
      assertWrittenAgain(store);
      for (const [key, value] of store.entries()) {
        // No removal is larger than what the key counts for.
        const { bytes } = Store.fromDump(new Map([[key, value]]));
        assert(encodeExpire(key, value).length <= bytes);
      }
      const expiring = [...judged.entries()].filter(([, value]) => value.has("expire"));
      assertExpires(Store.fromDump(new Map(expiring)));
    });
    fc.assert(property, { numRuns: 50 });
    assert(applied > 60 && taken > 15, `${applied} applied, ${taken} taken`);
  });
});
