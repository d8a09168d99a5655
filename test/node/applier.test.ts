import assert from "node:assert/strict";
import { test } from "node:test";
import type { Dump } from "../../protocol/files/dump-format.js";
import type { Entry } from "../../protocol/log/entry.js";
import { encodeSet } from "../../protocol/log/kv-calls.js";
import { systemClock } from "../../src/clock.js";
import { silentLogger } from "../../src/logger.js";
import { Applier } from "../../src/node/applier.js";
import { nodeLimits } from "../../src/node/limits.js";
import { Notes } from "../../src/node/notes.js";
import { Proposals } from "../../src/node/proposals.js";
import type { OutcomeCallback } from "../../src/node/write-outcome.js";
import { RaftState } from "../../src/raft/state.js";
import { Store } from "../../src/store/store.js";

function entries(first: number, last: number): Entry[] {
  return Array.from({ length: last - first + 1 }, (_, n) => {
    const value = { value: "x", updated: 1, created: 1 };
    return { index: first + n, term: 1, command: encodeSet(`/${first + n}`, value) };
  });
}

/** An applier whose clock a look at it moves on, and whose next turns are called by hand. */
function scene(lookMs: number, readDump: () => Promise<Dump | null> = async () => null) {
  let nowMs = 0;
  const soon: (() => void)[] = [];
  const clock = {
    ...systemClock,
    monotonicMs: () => {
      nowMs += lookMs;
      return nowMs;
    },
    soon: (run: () => void) => void soon.push(run),
  };
  const config = {
    ...{ selfId: "a:1", electionTimeoutMsMin: 400, electionTimeoutMsMax: 1_400 },
    ...{
      heartbeatMs: 100,
      leaderFallbackMs: 30_000,
      random: () => 0.5,
      onConflict: "keep" as const,
    },
  };
  const initial = {
    ...{ term: 1, votedFor: null, commitIndex: 1, appliedIndex: 1, entries: [] },
    ...{ members: [], mustRefetch: false },
  };
  const state = new RaftState(
    config,
    { ...initial, entries: [{ index: 1, term: 0, command: Uint8Array.of(1) }] },
    0,
  );
  const told: number[] = [];
  const proposals = new Proposals({
    ...{ clock, state, store: () => applier.store, propose: () => {}, fail: () => {} },
    ...{
      sendCommand: () => false,
      refused: () => {},
      full: () => {},
      logFull: () => "",
      dataBytesMax: Infinity,
      appliedIndex: () => 1,
    },
  });
  const notes = new Notes(silentLogger, () => 0);
  const applier: Applier = new Applier(
    {
      ...{ clock, proposals, notes, applied: (index) => told.push(index), replaced: () => {} },
      ...{ readDump, failed: (error: Error) => assert.fail(error) },
    },
    null,
  );
  return { applier, told, soon, pending: proposals.pending };
}

/** Runs what is asked for in next turns, until nothing is. */
async function turns(soon: (() => void)[]): Promise<void> {
  for (;;) {
    await new Promise((resolve) => setImmediate(resolve));
    const run = soon.shift();
    if (run === undefined) return;
    run();
  }
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
  applier.rebuild(entries(2, 9));
  applier.install(dump, new Store());
  applier.rebuild(entries(4, 5));
  const [first, second] = reads;
  first?.(null);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(applier.appliedIndex, null, "what it has read is of a store that is gone");
  second?.(dump);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(applier.appliedIndex, 5);
  assert.equal(applier.store.size, 2);
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
