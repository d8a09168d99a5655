import assert from "node:assert/strict";
import { test } from "node:test";
import type { Dump } from "../../protocol/files/dump-format.js";
import { encodeNoOp } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import { encodeDelete, encodeSet, encodeStoredSet } from "../../protocol/log/kv-calls.js";
import type { PyValue } from "../../protocol/pickle/values.js";
import { DataBound } from "../../src/node/data-bound.js";
import { nodeLimits } from "../../src/node/limits.js";
import type { OutcomeCallback } from "../../src/node/write-outcome.js";
import { growthBytesMost } from "../../src/store/growth.js";
import { Store } from "../../src/store/store.js";
import { scene, turns } from "./applier-scene.js";

function entries(first: number, last: number): Entry[] {
  return Array.from({ length: last - first + 1 }, (_, n) => {
    const value = { value: "x", updated: 1, created: 1 };
    return { index: first + n, term: 1, command: encodeSet(`/${first + n}`, value) };
  });
}

test("entries are applied for so long in one turn, the rest in the next ones, in order", () => {
  const { applier, told, soon } = scene(nodeLimits.applyTurnMsMax / 2);
  applier.apply(entries(2, 6));
  assert.equal(applier.appliedIndex, 3, "two looks at the clock, and the time is over");
  applier.apply(entries(7, 7));
  assert.equal(applier.appliedIndex, 3, "what comes meanwhile does not overtake");
  for (let run = soon.shift(); run !== undefined; run = soon.shift()) run();
  assert.deepEqual(told, [3, 5, 7]);
  assert.deepEqual(
    [...applier.store.entries()].map(([key]) => key),
    ["/2", "/3", "/4", "/5", "/6", "/7"],
  );
});

test("what waited is not applied to a store that is built again without it", async () => {
  const { applier, soon } = scene(nodeLimits.applyTurnMsMax);
  applier.apply(entries(2, 6));
  assert.equal(applier.appliedIndex, 2);
  applier.rebuild(entries(2, 3));
  applier.apply(entries(4, 4));
  await turns(soon);
  assert.equal(applier.appliedIndex, 4);
  assert.equal(applier.store.size, 3);
});

test("who wrote what waited when the store is built again learns what came of it", async () => {
  const { applier, told, soon, pending } = scene(nodeLimits.applyTurnMsMax);
  const outcomes: string[] = [];
  const written = entries(2, 5);
  for (const [id, { command, index, term }] of written.entries()) {
    const done: OutcomeCallback = (outcome) =>
      outcomes.push(`${index}: ${outcome.ok ? "done" : outcome.reason}`);
    pending.ask(id, { command, deadlineMs: Number.POSITIVE_INFINITY, done });
    pending.replied(id, { index, term });
  }
  applier.apply(written);
  assert.deepEqual(outcomes, ["2: done"], "one look at the clock, and the time is over");
  // The leader keeps entry 3, and puts others in the place of 4 and 5.
  const [fourth, fifth] = entries(4, 5).map((entry) => ({ ...entry, term: 2 }));
  assert.ok(fourth !== undefined && fifth !== undefined);
  applier.rebuild([...entries(2, 3), fourth]);
  applier.apply([fifth]);
  await turns(soon);
  assert.deepEqual(outcomes, ["2: done", "3: done", "4: DISCARDED", "5: DISCARDED"]);
  assert.deepEqual(told, [2, 4, 5], "the core learns of those that waited as well");
  assert.equal(pending.size, 0);
});

test("a rebuild that a leader's dump has overtaken does not pass for the one after it", async () => {
  const reads: ((dump: Dump | null) => void)[] = [];
  const { applier } = scene(0, () => new Promise((resolve) => reads.push(resolve)));
  const [previous, last] = entries(2, 3);
  assert.ok(previous !== undefined && last !== undefined);
  const dump: Dump = { data: new Map(), previous, last, members: ["a:1"], codeVersion: 0 };
  const isRead = () => new Promise((resolve) => setImmediate(resolve));
  applier.rebuild(entries(2, 9));
  await isRead();
  applier.install(dump, new Store());
  applier.rebuild(entries(4, 5));
  reads[0]?.(null);
  await isRead();
  assert.equal(applier.appliedIndex, null, "what it has read is of a store that is gone");
  reads[1]?.(dump);
  await isRead();
  assert.equal(applier.appliedIndex, 5);
  assert.equal(applier.store.size, 2);
});

test("a leader that contradicts itself on and on has one dump read at a time, for its last word alone", async () => {
  let open = 0;
  let openMost = 0;
  let reads = 0;
  const { applier } = scene(0, async () => {
    reads += 1;
    open += 1;
    openMost = Math.max(openMost, open);
    await new Promise((resolve) => setTimeout(resolve, 5));
    open -= 1;
    return null;
  });
  for (let demand = 0; demand < 50; demand++) {
    applier.rebuild(entries(2, 3 + (demand % 2)));
    if (demand % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  while (applier.appliedIndex === null) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.equal(openMost, 1);
  assert.ok(reads <= 6, `${reads} readings: of those that began to be built, not of all`);
  assert.equal(applier.appliedIndex, 4);
});

for (const [what, last, rest] of [
  ["holds what has to go", 9, entries(2, 5)],
  ["ends before the log begins", 3, entries(5, 7)],
] as const) {
  test(`a store is not built again from a dump that ${what}`, async () => {
    const failures: string[] = [];
    const [previous, newest] = entries(last - 1, last);
    assert.ok(previous !== undefined && newest !== undefined);
    const dump = { data: new Map(), previous, last: newest, members: ["a:1"], codeVersion: 0 };
    const { applier, soon } = scene(
      0,
      async () => dump,
      undefined,
      ({ cause }) => {
        failures.push(String(cause));
      },
    );
    const before = applier.store;
    applier.rebuild(rest);
    applier.apply(entries(6, 12));
    await turns(soon);
    assert.match(failures.join(), /the dump ends at/);
    assert.equal(applier.store, before);
    assert.equal(applier.appliedIndex, null, "nothing is applied on top of it");
  });
}

test("a store is not built again from nothing where the log begins behind a dump", async () => {
  const failures: string[] = [];
  const { applier, soon } = scene(
    0,
    async () => null,
    undefined,
    ({ cause }) => {
      failures.push(String(cause));
    },
  );
  const before = applier.store;
  applier.rebuild(entries(5, 7));
  await turns(soon);
  assert.match(failures.join(), /there is no dump/);
  assert.equal(applier.store, before);
});

test("a store is built again in turns, and what there was is there until it is built", async () => {
  const { applier, soon } = scene(nodeLimits.applyTurnMsMax);
  applier.apply(entries(2, 3));
  await turns(soon);
  const before = applier.store;
  applier.rebuild(entries(2, 2));
  const seen: (number | null)[] = [];
  for (let turn = 0; applier.appliedIndex === null && turn < 10; turn += 1) {
    assert.equal(applier.store, before);
    seen.push(applier.appliedIndex);
    await new Promise((resolve) => setImmediate(resolve));
    soon.shift()?.();
  }
  assert.ok(seen.length > 1, "one look at the clock, and the time is over");
  assert.equal(applier.appliedIndex, 2);
  assert.deepEqual(
    [...applier.store.entries()].map(([key]) => key),
    ["/2"],
  );
});

test("a second conflict while the store is built again has it built without what has to go now", async () => {
  const { applier, soon, told } = scene(nodeLimits.applyTurnMsMax);
  applier.apply(entries(2, 6));
  await turns(soon);
  applier.rebuild(entries(2, 5));
  applier.apply(entries(6, 7));
  applier.rebuild(entries(2, 3));
  applier.apply(entries(4, 4));
  await turns(soon);
  assert.equal(applier.appliedIndex, 4);
  assert.deepEqual(
    [...applier.store.entries()].map(([key]) => key),
    ["/2", "/3", "/4"],
  );
  assert.equal(told.at(-1), 4);
});

/* With a bound on the data: 100,000 bytes, so that 125,000 are held; each of the entries makes some 1,260. */

const dataBytesMax = 100_000;
const bounded = (readDump: () => Promise<Dump | null> = async () => null) =>
  scene(0, readDump, dataBytesMax);
const kilobyte = (index: number, key = `/${index}`, expire?: number): Entry => {
  const value = { value: "x".repeat(1_000), updated: 1, created: 1 };
  const command = encodeSet(key, expire === undefined ? value : { ...value, expire });
  return { index, term: 1, command };
};
const kilobytes = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, n) => kilobyte(first + n));
/** Of keys of two or three digits. */
const lastHeld = 100;

test("an entry with which the data would be too much is not applied, nor is what follows", async () => {
  const { applier, told, held, soon } = bounded();
  applier.apply(kilobytes(2, 150));
  await turns(soon);
  assert.equal(applier.appliedIndex, lastHeld);
  assert.deepEqual([applier.heldBack?.index, held], [lastHeld + 1, [lastHeld + 1]]);
  assert.equal(told.at(-1), lastHeld);
  const bytes = applier.store.bytes;
  assert.ok(bytes <= 125_000 && bytes > 123_000, `${bytes} bytes`);
  // It would make room, but stands behind.
  applier.apply([{ index: 151, term: 1, command: encodeDelete("/", { recursive: true }) }]);
  await turns(soon);
  assert.deepEqual([applier.appliedIndex, applier.store.bytes], [lastHeld, bytes]);
  assert.deepEqual(held, [lastHeld + 1], "told once");
  assert.equal(applier.store.acceptedBytes, 0, "and nothing of it is kept decoded");
});

test("what adds nothing is applied at the bound, and so is what is small and goes by itself", () => {
  const { applier, held } = bounded();
  const at = lastHeld;
  applier.apply([
    ...kilobytes(2, at),
    kilobyte(at + 1, "/2"),
    { index: at + 2, term: 1, command: encodeNoOp() },
    ...Array.from({ length: 20 }, (_, n) => kilobyte(at + 3 + n, `/f${n}`, 31)),
  ]);
  // An eighth of the setting.
  const fleeting = Math.floor((dataBytesMax * nodeLimits.keptUnderWayShare) / (1_000 + 256 + 3));
  assert.equal(applier.appliedIndex, at + 2 + fleeting);
  assert.deepEqual(held, [at + 3 + fleeting]);
});

test("a leader's dump ends it, and what follows is applied", async () => {
  const { applier, held, soon } = bounded();
  applier.apply(kilobytes(2, 150));
  await turns(soon);
  const [previous, last] = kilobytes(149, 150);
  assert.ok(previous !== undefined && last !== undefined);
  const dump: Dump = { data: new Map(), previous, last, members: ["a:1"], codeVersion: 0 };
  applier.install(dump, new Store());
  assert.deepEqual([applier.heldBack, held.at(-1)], [null, null]);
  applier.apply(kilobytes(151, 152));
  await turns(soon);
  assert.equal(applier.appliedIndex, 152);
});

test("a store that is built again holds no more either, and goes on where it may", async () => {
  const { applier, held, soon } = bounded();
  applier.apply(kilobytes(2, 150));
  await turns(soon);
  applier.rebuild(kilobytes(2, 140));
  applier.apply(kilobytes(141, 141));
  await turns(soon);
  assert.deepEqual([applier.appliedIndex, applier.heldBack?.index], [lastHeld, lastHeld + 1]);
  assert.deepEqual(held, [lastHeld + 1, lastHeld + 1], "and never says that all is applied");
  applier.rebuild(kilobytes(2, lastHeld));
  applier.apply([kilobyte(lastHeld + 1, "/2"), ...kilobytes(lastHeld + 2, lastHeld + 3)]);
  await turns(soon);
  assert.deepEqual([applier.appliedIndex, applier.heldBack?.index], [101, 102]);
  assert.equal(applier.store.size, lastHeld - 1);
});

test("a store that is built again from a full dump holds the very first entry behind it", async () => {
  const full = new Store();
  for (const { command, index } of kilobytes(2, lastHeld)) full.apply(command, index);
  const [previous, last] = kilobytes(lastHeld - 1, lastHeld);
  assert.ok(previous !== undefined && last !== undefined);
  const data = new Map(full.entries());
  const dump: Dump = { data, previous, last, members: ["a:1"], codeVersion: 0 };
  const { applier, soon } = bounded(async () => dump);
  applier.rebuild(kilobytes(lastHeld - 3, lastHeld + 5));
  await turns(soon);
  assert.deepEqual([applier.appliedIndex, applier.heldBack?.index], [lastHeld, lastHeld + 1]);
});

test("keys that are to go, and then are to stay, do not come to more either", async () => {
  const { applier, soon } = bounded();
  const pairs = Array.from({ length: 400 }, (_, n) => [
    kilobyte(2 + 2 * n, `/p${n}`, 31),
    kilobyte(3 + 2 * n, `/p${n}`),
  ]).flat();
  applier.apply(pairs);
  await turns(soon);
  const most = dataBytesMax * (nodeLimits.takenShare + nodeLimits.keptUnderWayShare);
  assert.ok(applier.heldBack !== null && applier.store.bytes <= most, `${applier.store.bytes}`);
});

test("a dump that comes before the next turn ends what was held, also after a rebuild", async () => {
  const { applier, held, soon } = bounded();
  applier.apply(kilobytes(2, 150));
  await turns(soon);
  const text = "x".repeat(nodeLimits.largeCommandBytes);
  const large = encodeSet("/large", { value: text, updated: 1, created: 1 });
  applier.rebuild([...kilobytes(2, lastHeld), { index: lastHeld + 1, term: 1, command: large }]);
  while (applier.heldBack !== null) {
    await new Promise((resolve) => setImmediate(resolve));
    if (applier.appliedIndex === null) soon.shift()?.();
    else break;
  }
  const [previous, last] = kilobytes(149, 150);
  assert.ok(previous !== undefined && last !== undefined);
  applier.install(
    { data: new Map(), previous, last, members: ["a:1"], codeVersion: 0 },
    new Store(),
  );
  assert.deepEqual([applier.heldBack, held.at(-1)], [null, null]);
});

test("where a member's own dump holds more it may be as much, and no more", () => {
  const store = new Store();
  for (const { command, index } of kilobytes(2, 300)) store.apply(command, index);
  store.apply(kilobyte(301, "/fleeting", 31).command, 301);
  const stayingBytes = store.bytes - store.expiringBytes;
  const bound = new DataBound(dataBytesMax, { stayingBytes, lastIndex: 0 });
  const isHeld = ({ command, index }: Entry) => bound.refusal(store, command, index) !== null;
  assert.ok(isHeld(kilobyte(302)));
  assert.equal(isHeld(kilobyte(302, "/2")), false);
  assert.equal(isHeld(kilobyte(302, "/leader", 31)), false, "what Patroni lives by");
  store.apply(encodeDelete("/fleeting"), 302);
  store.apply(encodeDelete("/2"), 303);
  assert.equal(isHeld(kilobyte(304, "/3_")), true, "by a byte");
  assert.equal(isHeld(kilobyte(304, "/a")), false);
});

test("there, what its log held at the start is taken with it, and no more behind that", () => {
  const store = new Store();
  for (const { command, index } of kilobytes(2, 300)) store.apply(command, index);
  const bound = new DataBound(dataBytesMax, { stayingBytes: store.bytes, lastIndex: 302 });
  const take = (entry: Entry) => {
    const held = bound.refusal(store, entry.command, entry.index);
    if (held === null) store.apply(entry.command, entry.index);
    return held?.index ?? null;
  };
  assert.deepEqual([kilobyte(301), kilobyte(302), kilobyte(303)].map(take), [null, null, 303]);
  const within = new DataBound(dataBytesMax, { stayingBytes: 1_000, lastIndex: 400 });
  assert.ok(within.refusal(store, kilobyte(304).command, 304) !== null, "a dump within the bound");
});

test("a key that is to stay from now on adds nothing to what is held", () => {
  const store = new Store();
  for (const { command, index } of kilobytes(2, 97)) store.apply(command, index);
  store.apply(kilobyte(98, "/k", 31).command, 98);
  const spareBytes = 500;
  const setting = (store.bytes + spareBytes) / nodeLimits.takenShare;
  const bound = new DataBound(setting, { stayingBytes: 0, lastIndex: 0 });
  assert.equal(bound.refusal(store, kilobyte(99, "/k").command, 99), null);
  assert.ok(bound.refusal(store, kilobyte(99, "/new").command, 99) !== null);
});

test("a key more than a Map holds is not applied", () => {
  const bound = new DataBound(1e12, { stayingBytes: 0, lastIndex: 0 });
  const refusal = (size: number, isNew: boolean) => {
    const growthBy = () => ({ bytes: 1, delta: 1, weight: 300, isNew, expires: false });
    const store = { bytes: 0, expiringBytes: 0, size, growthBy, forget: () => {} };
    return bound.refusal(store, Uint8Array.of(0), 9);
  };
  assert.equal(refusal(nodeLimits.heldKeysMax - 1, true), null);
  assert.equal(refusal(nodeLimits.heldKeysMax, false), null);
  assert.equal(refusal(nodeLimits.heldKeysMax, true)?.isOfKeys, true);
});

test("nothing adds more than what is taken for the most that so many bytes can add", () => {
  const store = new Store();
  const text = "x".repeat(500);
  const values: PyValue[] = [
    "\u{1f600}".repeat(20_000),
    Array.from({ length: 16_000 }, () => null),
    Array.from({ length: 8_000 }, () => []),
    new Uint8Array(10_000).fill(0xff),
    Array.from({ length: 8_000 }, () => text),
    7n ** 4_000n,
  ];
  for (const value of values) {
    const command = encodeStoredSet("/k", new Map<PyValue, PyValue>([["value", value]]));
    const growth = store.growthBy(command);
    assert.ok(growth !== null && growth.bytes <= growthBytesMost(command.length));
  }
});

test("a large command is applied in a turn of its own", async () => {
  const { applier, soon } = scene(0);
  const value = { value: "x".repeat(nodeLimits.largeCommandBytes), updated: 1, created: 1 };
  const large = { term: 1, command: encodeSet("/large", value) };
  const [second] = entries(2, 2);
  assert.ok(second !== undefined);
  applier.apply([second, { index: 3, ...large }, { index: 4, ...large }]);
  assert.equal(applier.appliedIndex, 2, "not with the small one before it");
  soon.shift()?.();
  assert.equal(applier.appliedIndex, 3, "nor with another one");
  await turns(soon);
  assert.equal(applier.appliedIndex, 4);
  applier.apply([{ index: 5, ...large }]);
  assert.equal(applier.appliedIndex, 4, "nor in the turn in which it has come");
  await turns(soon);
  assert.equal(applier.appliedIndex, 5);
});

test("what PySyncObj takes and we do not is told as what it is", () => {
  const { applier, notes } = scene(0);
  const numbers = Array.from({ length: 17_000 }, (_, n) => n % 200);
  const command = encodeSet("/many", { value: numbers, updated: 1, created: 1 });
  applier.apply([{ index: 2, term: 1, command }]);
  assert.equal(applier.appliedIndex, 2);
  assert.equal(applier.store.size, 0);
  assert.deepEqual(
    notes.degraded().map(({ code }) => code),
    ["entry-beyond-limits"],
  );
  applier.apply([{ index: 3, term: 1, command: Uint8Array.of(0, 0x80, 2, 0x4e, 0x2e) }]);
  assert.equal(applier.appliedIndex, 3);
  assert.equal(notes.degraded().length, 1);
});
