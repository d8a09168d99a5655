import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { encodeDelete, encodeExpire, encodeSet } from "../../protocol/log/kv-calls.js";
import { PyFloat, type PyValue } from "../../protocol/pickle/values.js";
import { ExpiryIndex } from "../../src/store/expiry-index.js";
import { staleDeadlinesMin } from "../../src/store/limits.js";
import { makeRecord, type StoredRecord } from "../../src/store/record.js";
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

  test("a key that is refreshed for ever leaves a bounded trail", () => {
    let asked = 0;
    let stored: StoredRecord | null = null;
    const index = new ExpiryIndex((_id, record) => {
      asked += 1;
      return record === stored;
    });
    for (let round = 0; round < 20_000; round += 1) {
      const isFirst = stored === null;
      stored = makeRecord("a", "a", dictOf({}));
      if (!isFirst) index.removed();
      // The live one first, so that the stale ones cannot be dropped from the top.
      index.add("a", stored, 20_000 - round);
    }
    asked = 0;
    assert.equal(index.due(1e9).length, 1);
    assert(asked <= 2 * staleDeadlinesMin, `${asked} records looked at`);
  });
});
