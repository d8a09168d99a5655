import assert from "node:assert/strict";
import { test } from "node:test";
import type { Dump } from "../../protocol/files/dump-format.js";
import type { Entry } from "../../protocol/log/entry.js";
import { encodeDelete, encodeSet } from "../../protocol/log/kv-calls.js";
import { nodeLimits } from "../../src/node/limits.js";
import { keysPerSlice } from "../../src/store/limits.js";
import { Store } from "../../src/store/store.js";
import { scene, turns } from "./applier-scene.js";

/** A look at the clock after each slice, and the time is over. */
const lookMs = nodeLimits.applyTurnMsMax;

const value = { value: "x", updated: 1, created: 1 };
const set = (index: number, key: string): Entry => ({
  ...{ index, term: 1 },
  command: encodeSet(key, value),
});
const sweep: Entry = {
  ...{ index: 3, term: 1 },
  command: encodeDelete("/many", { recursive: true }),
};

/** A store of very many keys, as a dump brings it. */
function dumped(count: number): { dump: Dump; store: Store } {
  const [previous, last] = [set(1, "/previous"), set(2, "/last")];
  const store = new Store();
  for (let n = 0; n < count; n += 1) store.apply(encodeSet(`/many/${n}`, value), 2);
  const dump = { data: new Map(), previous, last, members: ["a:1"], codeVersion: 0 };
  return { dump, store };
}

/** One turn after the other, until `isOver`; how many there were. */
function turnsUntil(soon: (() => void)[], isOver: () => boolean): number {
  let ran = 0;
  while (!isOver()) {
    const run = soon.shift();
    assert(run !== undefined, "there is a next turn");
    run();
    ran += 1;
  }
  return ran;
}

test("a recursive delete of very many keys takes turns, what waits behind it is applied after it", () => {
  const { applier, soon, told, pending } = scene(lookMs);
  const count = 200_000;
  const { dump, store } = dumped(count);
  applier.install(dump, store);
  const outcomes: unknown[] = [];
  pending.ask(1, {
    ...{ command: sweep.command, deadlineMs: Number.POSITIVE_INFINITY },
    done: (outcome) => outcomes.push(outcome.ok && outcome.result),
  });
  pending.replied(1, sweep);
  applier.apply([sweep, set(4, "/many/0")]);
  const looks = turnsUntil(soon, () => {
    if (applier.appliedIndex === 3) return true;
    assert.equal(applier.appliedIndex, 2, "what a dump that begins now would be of");
    assert.equal(store.size, count);
    assert.deepEqual(outcomes, []);
    return false;
  });
  assert(looks >= count / keysPerSlice - 2, `${looks} turns in which keys were looked at`);
  assert.equal(store.size, 0);
  assert.deepEqual(outcomes, [true]);
  assert.deepEqual(told, [3]);
  applier.apply([set(5, "/many/1")]);
  const sweeps = turnsUntil(soon, () => {
    if (applier.appliedIndex === 4) return true;
    assert.equal(applier.appliedIndex, 3);
    assert.equal(store.get("/many/0"), null);
    return false;
  });
  assert(sweeps >= count / keysPerSlice - 2, `${sweeps} turns in which keys went`);
  turnsUntil(soon, () => applier.appliedIndex === 5);
  assert.deepEqual(
    [...store.entries()].map(([key]) => key),
    ["/many/0", "/many/1"],
  );
});

test("with nothing behind it the keys go from memory all the same", async () => {
  const { applier, soon } = scene(lookMs);
  const { dump, store } = dumped(20_000);
  applier.install(dump, store);
  applier.apply([sweep]);
  await turns(soon);
  assert.equal(applier.appliedIndex, 3);
  assert(!store.isSweeping);
  assert.equal(soon.length, 0);
});

test("a leader's dump that comes amid has nothing of it applied to its store", async () => {
  for (const turnsBefore of [3, 30]) {
    const { applier, soon } = scene(lookMs);
    const { dump, store } = dumped(20_000);
    applier.install(dump, store);
    applier.apply([sweep, set(4, "/behind")]);
    for (let n = 0; n < turnsBefore; n += 1) soon.shift()?.();
    assert(store.isSweeping === turnsBefore > 20);
    const next = new Store();
    for (let n = 0; n < 10; n += 1) next.apply(encodeSet(`/many/${n}`, value), 2);
    applier.install({ ...dump, last: set(8, "/many/9") }, next);
    applier.apply([set(9, "/after")]);
    await turns(soon);
    assert.equal(applier.appliedIndex, 9);
    assert.equal(next.size, 11);
  }
});

test("a store that is built again amid is built with it, in turns", async () => {
  const { applier, soon } = scene(lookMs);
  const { dump, store } = dumped(20_000);
  applier.install(dump, store);
  applier.apply([sweep, set(4, "/behind")]);
  for (let n = 0; n < 3; n += 1) soon.shift()?.();
  const again = [set(2, "/many/a"), sweep, set(4, "/many/b")];
  applier.rebuild(again);
  applier.apply([set(5, "/many/c")]);
  assert.equal(applier.appliedIndex, null);
  await turns(soon);
  assert.equal(applier.appliedIndex, 5);
  assert.deepEqual(
    [...applier.store.entries()].map(([key]) => key),
    ["/many/b", "/many/c"],
  );
});
