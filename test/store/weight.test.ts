import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeDelete, encodeExpire, encodeSet } from "../../protocol/log/kv-calls.js";
import { nodeClassName } from "../../protocol/pickle/globals.js";
import {
  type PyDict,
  PyInstance,
  PyOrderedDict,
  type PyValue,
} from "../../protocol/pickle/values.js";
import { growthBytesMost } from "../../src/store/growth.js";
import { Store } from "../../src/store/store.js";
import { Dice } from "../fuzz/dice.js";
import { callCommand, dictOf, float } from "./commands.js";
import { RawValues } from "./raw-commands.js";

const at = (value: PyValue) => ({ value, updated: 5, created: 5 });

/** What a store of the same content comes to. */
function countedAnew(store: Store): number {
  const data: PyDict = new Map(store.entries());
  return Store.fromDump(data).bytes;
}

/** The same of what has a time to live. */
function expiringAnew(store: Store): number {
  const expiring = [...store.entries()].filter(([, value]) => value.has("expire"));
  return Store.fromDump(new Map(expiring)).bytes;
}

test("a store's bytes are what its records come to, whatever was done to it", () => {
  const store = new Store();
  assert.equal(store.bytes, 0);
  store.apply(encodeSet("/a/b", at("x")), 1);
  const one = store.bytes;
  assert.equal(one, 256 + 4 + 1);
  const commands = [
    encodeSet("/a/c", at("é漢")),
    encodeSet("/a/c", { ...at("longer than that"), expire: 9 }),
    callCommand(2, [7, dictOf({ value: ["odd", dictOf({ x: null })], updated: 5, created: 5 })]),
    callCommand(2, [7, dictOf({ value: "y", updated: 6, created: 5 })]),
    callCommand(2, [
      7,
      dictOf({ value: new PyOrderedDict([["x", null]]), updated: 7, created: 5 }),
    ]),
    encodeDelete("/a/b"),
    encodeSet("/b", { ...at("x".repeat(1_000)), expire: 9 }),
    encodeSet("/b", at("x".repeat(900))),
    encodeSet("/c", { ...at("goes"), expire: 9 }),
    encodeDelete("/c"),
    encodeSet("/b", at("x"), { prevValue: "no such one" }),
    encodeDelete("/b"),
    encodeDelete("/no/such/key"),
  ];
  for (const [n, command] of commands.entries()) {
    store.apply(command, n + 2);
    assert.equal(store.bytes, countedAnew(store), `after ${n}`);
    assert.equal(store.expiringBytes, expiringAnew(store), `after ${n}`);
  }
  store.apply(encodeExpire("/a/c", store.get("/a/c") ?? new Map()), 20);
  assert.equal(store.bytes, countedAnew(store));
  assert.equal(store.expiringBytes, 0);
});

test("a recursive delete leaves nothing of it", () => {
  const store = new Store();
  for (let n = 0; n < 50; n += 1) store.apply(encodeSet(`/d/${n}`, at("x")), n + 1);
  assert.ok(store.bytes > 50 * 256);
  store.apply(encodeDelete("/d/", { recursive: true }), 60);
  assert.equal(store.bytes, 0);
});

test("a dump is taken over up to the bound", () => {
  const data: PyDict = new Map();
  for (let n = 0; n < 5_000; n += 1) data.set(`/k${n}`, dictOf({ value: "x", index: n }));
  const { bytes } = Store.fromDump(data);
  const read = (most: number) => [...Store.fromDumpSteps(data, most)];
  read(bytes);
  assert.throws(() => read(bytes - 1), { code: "dump-too-large" });
});

/** A list that counts who looks at what is in it. */
class WatchedList extends Array<PyValue> {
  static looked = 0;

  override *[Symbol.iterator](): ArrayIterator<PyValue> {
    for (let at = 0; at < this.length; at += 1) {
      WatchedList.looked += 1;
      yield this[at] ?? null;
    }
  }
}

for (const [name, values, each] of [
  ["many values of many parts", 300, 2_500],
  ["one value of very many parts", 1, 750_000],
  ["one value of very many parts, most of them in others", 1, 3_000],
] as const) {
  test(`a dump is taken over in short slices: ${name}`, () => {
    const parts = () => new WatchedList(each).fill(7);
    const list = (): PyValue => (each === 3_000 ? new WatchedList(250).fill(parts()) : parts());
    const data: PyDict = new Map();
    for (let n = 0; n < values; n += 1) data.set(`/k${n}`, dictOf({ value: list() }));
    const steps = Store.fromDumpSteps(data);
    let longest = 0;
    let step: ReturnType<typeof steps.next>;
    do {
      WatchedList.looked = 0;
      step = steps.next();
      longest = Math.max(longest, WatchedList.looked);
    } while (step.done !== true);
    // Each of them counts for 64 bytes; a slice is of 1 MiB, and what is begun with the last of it.
    assert.ok(longest < 60_000, `${longest} parts of values in one slice`);
    const fields = values * (256 + 2 * 64 + "value".length + 64 + 64 * each);
    const keys = [...data.keys()].join("").length;
    const inner = each === 3_000 ? 64 * each * 249 + 64 * 250 : 0;
    assert.equal(step.value.bytes, fields + keys + inner);
  });
}

test("a dump of one value is taken over up to the bound, wherever in it that is", () => {
  const data: PyDict = new Map([["/k", dictOf({ value: new Array<PyValue>(100_000).fill([7]) })]]);
  const { bytes } = Store.fromDump(data);
  const read = (most: number) => [...Store.fromDumpSteps(data, most)];
  read(bytes);
  for (const most of [bytes - 1, bytes / 2, 2 ** 20, 1_000]) {
    assert.throws(() => read(most), { code: "dump-too-large" });
  }
});

/** What it would add, as it is judged, and what it adds. */
function judgedAndAdded(store: Store, command: Uint8Array, index: number) {
  const judged = store.growthBy(command)?.delta ?? 0;
  const before = store.bytes;
  const isRaised = "raised" in store.apply(command, index);
  return { judged, added: store.bytes - before, isRaised };
}

test("a set is judged to add what it adds: where `updated` is stored as `created` as well, with that", () => {
  const store = new Store();
  const text = "x".repeat(10_000);
  const times = (updated: PyValue, created: PyValue) => dictOf({ value: "", updated, created });
  const set = (dict: PyDict, key: PyValue = "/k") => callCommand(2, [key, dict]);
  for (const [n, command] of [
    set(times(5, 5)),
    set(times(text, 6)),
    set(times(text, text)),
    set(times(float(5), float(7))),
    set(times([text, text], float(8))),
    set(times(5, 5), new PyInstance(nodeClassName, dictOf({ _id: "a", more: text }))),
    set(times(text, 6), new PyInstance(nodeClassName, dictOf({ _id: "a" }))),
  ].entries()) {
    const { judged, added, isRaised } = judgedAndAdded(store, command, n + 2);
    assert(!isRaised);
    if (n === 2 || n === 3) assert(judged >= added, `${n}: ${judged} for ${added}`);
    else assert.equal(judged, added, `${n}`);
  }
});

test("no set adds more than it was judged to, nor more than its bytes may", () => {
  const property = fc.property(fc.integer(), (seed) => {
    const values = new RawValues(new Dice(seed));
    const store = new Store();
    for (let index = 2; index < 8; index += 1) {
      const command = values.command();
      const { judged, added } = judgedAndAdded(store, command, index);
      assert(added <= judged, `${added} instead of ${judged}`);
      assert(added <= growthBytesMost(command.length));
    }
  });
  fc.assert(property, { numRuns: 50 });
});
