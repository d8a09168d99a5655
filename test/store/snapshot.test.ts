import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { encodeDelete, encodeSet } from "../../protocol/log/kv-calls.js";
import type { PyDict, PyValue } from "../../protocol/pickle/values.js";
import { Store } from "../../src/store/store.js";
import { callCommand, contentOf, dictOf } from "./commands.js";

const set = (key: string, value: string): Uint8Array =>
  encodeSet(key, { value, updated: 5, created: 5 });

describe("snapshot", () => {
  test("shows the store as it was at the beginning, whatever is applied meanwhile", () => {
    const key = fc.oneof(
      fc.constantFrom("a", "b", "c", "d", "e", "aa", "bb"),
      fc.constantFrom<PyValue>(1, null),
    );
    const change = fc.oneof(
      fc
        .tuple(key, fc.nat(9))
        .map(([name, value]) =>
          callCommand(2, [name, dictOf({ value: String(value), created: 1 })]),
        ),
      key.map((name) => callCommand(0, [name])),
      fc.constantFrom("a", "b").map((prefix) => encodeDelete(prefix, { recursive: true })),
    );
    const plan = fc.record({
      before: fc.array(change, { maxLength: 20 }),
      // Null reads one record, anything else is applied.
      meanwhile: fc.array(fc.oneof(change, fc.constant(null)), { maxLength: 40 }),
    });
    fc.assert(
      fc.property(plan, ({ before, meanwhile }) => {
        const store = new Store();
        const twin = new Store();
        let index = 0;
        const apply = (command: Uint8Array): void => {
          index += 1;
          assert.deepEqual(store.apply(command, index), twin.apply(command, index));
        };
        for (const command of before) apply(command);
        const expected = contentOf(store);
        const snapshot = store.beginSnapshot();
        assert.equal(snapshot.size, expected.size);
        const read: (readonly [PyValue, PyDict])[] = [];
        for (const command of meanwhile) {
          if (command !== null) apply(command);
          else {
            const step = snapshot.records.next();
            if (step.done !== true) read.push(step.value);
          }
        }
        read.push(...snapshot.records);
        snapshot.end();
        assert.equal(read.length, expected.size);
        assert.deepEqual(new Map<PyValue, PyValue>(read), expected);
        assert.deepEqual(contentOf(store), contentOf(twin));
      }),
      { numRuns: 300 },
    );
  });

  test("several at once, each as of its own beginning; nothing after its end", () => {
    const store = new Store();
    store.apply(set("a", "x"), 1);
    const first = store.beginSnapshot();
    store.apply(set("b", "y"), 2);
    const second = store.beginSnapshot();
    store.apply(set("c", "z"), 3);
    assert.equal([...second.records].length, 2);
    second.end();
    assert.equal([...first.records].length, 1);
    const third = store.beginSnapshot();
    third.end();
    assert.throws(() => third.records.next(), /ended/);
    first.end();
  });

  test("begins without a look at the keys", () => {
    const data = new Map<PyValue, PyValue>();
    for (let number = 0; number < 200_000; number += 1) {
      data.set(`/key/${number}`, dictOf({ value: "x" }));
    }
    const store = Store.fromDump(data);
    const walk = millisecondsOf(() => {
      const snapshot = store.beginSnapshot();
      assert.equal([...snapshot.records].length, data.size);
      snapshot.end();
    });
    const begins = millisecondsOf(() => {
      for (let times = 0; times < 100; times += 1) store.beginSnapshot().end();
    });
    assert(begins < walk, `${begins} ms for a hundred beginnings, ${walk} ms for a walk`);
  });
});

function millisecondsOf(work: () => void): number {
  const started = performance.now();
  work();
  return performance.now() - started;
}
