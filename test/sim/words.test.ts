import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeNoOp } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import { encodeDelete, encodeSet } from "../../protocol/log/kv-calls.js";
import { Store } from "../../src/store/store.js";
import { digestOf } from "./history.js";
import type { Standing } from "./standing.js";
import { Words } from "./words.js";

function set(key: string, value: string): Uint8Array {
  return encodeSet(key, { value, created: 1, updated: 1 });
}

function entries(...commands: readonly Uint8Array[]): Entry[] {
  return commands.map((command, at) => ({ index: at + 1, term: 1, command }));
}

/** A member that has applied all of these, of which its log holds those from `firstIndex` on. */
function standing(address: string, all: readonly Entry[], kind: Standing["kind"], firstIndex = 1) {
  const store = new Store();
  for (const { command, index } of all) store.apply(command, index);
  return {
    ...{ address, kind, store, firstIndex, role: "follower", leads: false, term: 1 },
    ...{ lastIndex: all.length, commitIndex: all.length, appliedIndex: all.length },
    ...{ others: [], mustRefetch: false },
    entryAt: (index: number) => (index < firstIndex ? undefined : all[index - 1]),
  } satisfies Standing;
}

const all = entries(
  encodeNoOp(),
  set("/a", "1"),
  set("/b", "2"),
  encodeDelete("/a"),
  set("/c", "3"),
);

test("what members have applied makes a store, also where no log holds all of it any more", () => {
  const words = new Words();
  words.hear(standing("a:1", all.slice(0, 3), "vanilla"));
  words.hear(standing("b:1", all, "quorate", 3));
  const { store } = standing("c:1", all, "quorate");
  assert.equal(words.digestAt(5), digestOf(store));
  assert.equal(words.digestAt(3), digestOf(standing("c:1", all.slice(0, 3), "quorate").store));
  assert.equal(words.digestAt(6), null);
  assert.equal(words.contradiction, null);
});

test("members that have applied different entries contradict each other", () => {
  const other = entries(encodeNoOp(), set("/a", "1"), set("/b", "another"));
  const words = new Words();
  words.hear(standing("a:1", all, "quorate"));
  words.hear(standing("b:1", other, "vanilla"));
  assert.deepEqual(words.contradiction, { index: 3, by: ["a:1", "b:1"], isOurs: false });
  words.hear(standing("c:1", other, "quorate"));
  assert.deepEqual(words.contradiction, { index: 3, by: ["a:1", "c:1"], isOurs: true });
});

test("a recursive delete takes away all keys that begin so, and is seen where one is still there", () => {
  const swept = entries(
    encodeNoOp(),
    set("/d/a", "1"),
    set("/d/b", "2"),
    encodeDelete("/d/", { recursive: true }),
    set("/d/b", "3"),
  );
  const words = new Words();
  words.hear(standing("a:1", swept, "quorate"));
  const isIn = (at: number, store: Store): boolean =>
    words.isCarriedOut(swept[at - 1] ?? { index: at, command: encodeNoOp() }, store, swept.length);
  const { store } = standing("b:1", swept, "quorate", 5);
  assert.deepEqual(
    [2, 3, 4, 5].map((at) => isIn(at, store)),
    [true, true, true, true],
  );
  store.apply(set("/d/c", "from before"), 2);
  assert.ok(!isIn(4, store), "/d/c was there before the recursive delete, and still is");
});

test("a write that only a dump can hold is looked for in the store", () => {
  const words = new Words();
  words.hear(standing("a:1", all, "quorate"));
  const isIn = (at: number, store: Store): boolean =>
    words.isCarriedOut(all[at - 1] ?? { index: at, command: encodeNoOp() }, store, all.length);
  const { store } = standing("b:1", all, "quorate", 5);
  assert.deepEqual(
    [2, 3, 4, 5].map((at) => isIn(at, store)),
    [true, true, true, true],
  );
  const without = new Store();
  without.apply(set("/a", "1"), 2);
  without.apply(set("/c", "another"), 5);
  assert.ok(!isIn(3, without), "/b is not there, and nobody has taken it away");
  assert.ok(!isIn(4, without), "/a was deleted and is there");
  assert.ok(!isIn(5, without), "/c holds another value of the same entry");
  const later = new Store();
  later.apply(set("/b", "later"), 9);
  assert.ok(isIn(3, later), "a later write may have covered it");
});
