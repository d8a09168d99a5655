import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { encodeDelete, encodeExpire, encodeSet } from "../../protocol/log/kv-calls.js";
import { PyFloat, type PyValue } from "../../protocol/pickle/values.js";
import { ExpiryIndex } from "../../src/store/expiry-index.js";
import { Store } from "../../src/store/store.js";
import { callCommand, dictOf } from "./commands.js";

function setUntil(key: string, expire: number | null): Uint8Array {
  const value = { value: "x", updated: 5, created: 5 };
  return encodeSet(key, expire === null ? value : { ...value, expire });
}

const dueKeys = (store: Store, nowSec: number): PyValue[] =>
  store
    .expired(nowSec, 0)
    .map(({ key }) => key)
    .sort();

describe("expired", () => {
  test("a key is due at its time, and again until its _expire is applied", () => {
    const store = new Store();
    store.apply(setUntil("a", 10), 1);
    store.apply(setUntil("b", null), 2);
    assert.deepEqual(dueKeys(store, 9.999), []);
    assert.deepEqual(dueKeys(store, 10), ["a"]);
    const [due] = store.expired(11, 0);
    assert(due !== undefined);
    assert.deepEqual(due.value, store.get("a"));
    store.apply(encodeExpire("a", due.value), 3);
    assert.deepEqual(dueKeys(store, 11), []);
    assert.equal(store.expiring, 0);
  });

  test("an expire that is no number is never due; ints and bools are numbers", () => {
    const store = new Store();
    const values: readonly PyValue[] = ["5", null, [], new PyFloat(Number.NaN), 5, true, 2n ** 60n];
    for (const [at, expire] of values.entries()) {
      store.apply(callCommand(2, [`k${at}`, dictOf({ expire })]), at);
    }
    assert.deepEqual(dueKeys(store, 100), ["k4", "k5"]);
    assert.deepEqual(dueKeys(store, 2 ** 61), ["k4", "k5", "k6"]);
  });

  test("is what a look at every key would find", () => {
    const key = fc.constantFrom("a", "b", "c", "d", "e", "f");
    const step = fc.oneof(
      fc.tuple(key, fc.option(fc.nat(20))).map(([name, expire]) => setUntil(name, expire)),
      key.map((name) => encodeDelete(name)),
      fc.nat(20),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const store = new Store();
        for (const [index, item] of steps.entries()) {
          if (item instanceof Uint8Array) {
            store.apply(item, index);
            continue;
          }
          const expected = [...store.entries()]
            .filter(([, value]) => {
              const expire = value.get("expire");
              return expire instanceof PyFloat && expire.value <= item;
            })
            .map(([name]) => name)
            .sort();
          assert.deepEqual(dueKeys(store, item), expected);
        }
      }),
    );
  });

  test("of many no more than asked for, and the others when those are postponed", () => {
    const store = new Store();
    for (let n = 0; n < 1_000; n += 1) store.apply(setUntil(`k${n}`, 10), n);
    const seen = new Set<PyValue>();
    for (let look = 0; look < 10; look += 1) {
      const due = store.expired(10, 0, 100);
      assert.equal(due.length, 100);
      for (const one of due) {
        seen.add(one.key);
        store.postpone(one, 11, 1);
      }
    }
    assert.equal(seen.size, 1_000);
    assert.equal(store.expired(10, 0, 100).length, 0, "all are postponed");
    assert.equal(store.expired(11, 0).length, 1_000);
  });

  test("values that were over when they came do not keep one waiting that has lived for its time", () => {
    const store = new Store();
    const patronis = { value: "x", updated: 1_000, created: 1_000, expire: 1_010 };
    store.apply(encodeSet("leader", patronis), 1);
    store.noteTime(0, false);
    for (let n = 0; n < 1_000; n += 1) store.apply(setUntil(`k${n}`, 1), n);
    store.noteTime(0.1, false);
    assert(!store.expired(1_005, 5, 100).some(({ key }) => key === "leader"));
    assert(store.expired(1_010, 10, 100).some(({ key }) => key === "leader"));
  });

  test("one that is left is not due until it is set again", () => {
    const store = new Store();
    store.apply(setUntil("a", 10), 1);
    for (const one of store.expired(10, 0)) store.leave(one);
    assert.deepEqual(dueKeys(store, 1e9), []);
    assert.equal(store.expiring, 1, "it has a time to live all the same");
    store.apply(setUntil("a", 10), 2);
    assert.deepEqual(dueKeys(store, 10), ["a"]);
  });

  test("the index gives the earliest, whatever was added, removed and moved", () => {
    const step = fc.oneof(
      fc.record({ add: fc.nat(30) }),
      fc.record({ remove: fc.nat(50) }),
      fc.record({ move: fc.nat(50), to: fc.nat(30) }),
      fc.record({ due: fc.nat(30), max: fc.nat(12) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const twins = new IndexAndList();
        for (const one of steps) {
          if ("add" in one) twins.add(one.add);
          else if ("remove" in one) twins.remove(one.remove);
          else if ("move" in one) twins.move(one.move, one.to);
          else assert.deepEqual(...twins.due(one.due, one.max));
          assert.equal(twins.index.size, twins.list.length);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("a look at many costs no more than a few times what it gives", () => {
    let looks = 0;
    const index = new ExpiryIndex<{ at: number; place: number }>();
    for (let n = 0; n < 100_000; n += 1) {
      const item = { at: n % 1_000, place: 0 };
      const at = item.at;
      Object.defineProperty(item, "at", {
        get: () => {
          looks += 1;
          return at;
        },
      });
      index.add(item);
    }
    looks = 0;
    assert.equal(index.due(1e9, 100).length, 100);
    assert(looks <= 1_000, `${looks} times looked at`);
  });
});

interface Item {
  at: number;
  place: number;
}

class IndexAndList {
  readonly index = new ExpiryIndex<Item>();
  list: Item[] = [];
  readonly #gone: Item[] = [];

  add(at: number): void {
    const item = { at, place: 0 };
    this.list.push(item);
    this.index.add(item);
  }

  remove(place: number): void {
    const item = this.list[place];
    if (item === undefined) return;
    this.list.splice(place, 1);
    this.#gone.push(item);
    this.index.remove(item);
    // One that is gone is none, nor can it be moved.
    for (const one of this.#gone) {
      this.index.remove(one);
      this.index.move(one, 0);
    }
  }

  move(place: number, at: number): void {
    const item = this.list[place];
    if (item !== undefined) this.index.move(item, at);
  }

  due(now: number, max: number): [number[], number[]] {
    const times = this.list.map(({ at }) => at).filter((at) => at <= now);
    const expected = times.sort((a, b) => a - b).slice(0, max);
    return [this.index.due(now, max).map(({ at }) => at), expected];
  }
}
