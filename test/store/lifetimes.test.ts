import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { encodeDelete, encodeSet } from "../../protocol/log/kv-calls.js";
import { lifetimesNotedMax } from "../../src/store/limits.js";
import { Store } from "../../src/store/store.js";

/** Wall clocks of the writer and of the leader, a day apart. */
const writerSec = 86_400;
const leaderSec = 0;

function set(key: string, ttl: number): Uint8Array {
  const value = { value: "x", updated: writerSec, created: writerSec };
  return encodeSet(key, { ...value, expire: writerSec + ttl });
}

const due = (store: Store, monotonicSec: number) => store.expired(leaderSec, monotonicSec).length;

suite("how long values have been here", () => {
  test("a value lives from the note after it came; one that was replaced or removed does not count", () => {
    const store = new Store();
    store.apply(set("a", 10), 1);
    store.noteTime(100, true);
    assert.equal(due(store, 109.9), 0);
    assert.equal(due(store, 110), 1);
    store.apply(set("a", 10), 2);
    assert.equal(due(store, 110), 0, "renewed, and not noted yet");
    store.noteTime(110, true);
    assert.equal(due(store, 119.9), 0);
    assert.equal(due(store, 120), 1);
    store.apply(encodeDelete("a"), 3);
    assert.equal(due(store, 1_000), 0);
  });

  test("a day ahead, the leader's clock takes only what was not seen to come", () => {
    const store = new Store();
    store.apply(set("old", 10), 1);
    store.noteTime(100, false);
    store.apply(set("live", 10), 2);
    store.noteTime(100, true);
    const ahead = 3 * writerSec;
    const keys = (monotonicSec: number) => store.expired(ahead, monotonicSec).map(({ key }) => key);
    assert.deepEqual(keys(105), ["old"]);
    assert.deepEqual(keys(110).sort(), ["live", "old"]);
  });

  test("a large dump is noted in portions, and none of it is taken for new", () => {
    const count = 2 * lifetimesNotedMax + 1;
    const filled = new Store();
    for (let n = 0; n < count; n += 1) filled.apply(set(`k${n}`, 10), n + 1);
    const store = Store.fromDump(new Map(filled.entries()));
    for (const [at, noted] of [lifetimesNotedMax, 2 * lifetimesNotedMax, count].entries()) {
      store.noteTime(100 + at, true);
      assert.equal(due(store, 110 + at), noted);
    }
    const wallSaysSo = store.expired(3 * writerSec, 102).length;
    assert.equal(wallSaysSo, count, "of a backlog nothing is protected");
  });
});
