import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeMembership, encodeNoOp } from "../../protocol/log/commands.js";
import {
  encodeDelete,
  encodeExpire,
  encodeSet,
  encodeStoredSet,
} from "../../protocol/log/kv-calls.js";
import type { PyDict, PyValue } from "../../protocol/pickle/values.js";
import { DataBound } from "../../src/node/data-bound.js";
import { ExtraBytes, type Held, judgeQuota } from "../../src/node/data-quota.js";
import { nodeLimits } from "../../src/node/limits.js";
import { RaftLog } from "../../src/raft/raft-log.js";
import { Store } from "../../src/store/store.js";

const bytesMax = 200_000;
const kept = bytesMax * nodeLimits.keptShare;
const set = (key: string, bytes: number) =>
  encodeSet(key, { value: "x".repeat(bytes), updated: 5, created: 5 });
const fleeting = (key: string, bytes: number) =>
  encodeSet(key, { value: "x".repeat(bytes), updated: 5, created: 5, expire: 35 });

/** A store of so many bytes in keys of 1,000, and a leader that has applied all. */
function scene(bytes: number) {
  const store = new Store();
  const log = new RaftLog([{ index: 1, term: 1, command: encodeNoOp() }]);
  let appliedIndex = 1;
  const extra = new ExtraBytes();
  let judgedExtra = 0;
  /** As it was judged last. */
  const append = (command: Uint8Array) => {
    log.append([{ index: log.lastIndex + 1, term: 1, command }]);
    extra.add(log.lastIndex, judgedExtra);
    judgedExtra = 0;
  };
  const apply = (to = log.lastIndex) => {
    for (; appliedIndex < to; appliedIndex += 1) {
      store.apply(log.at(appliedIndex + 1).command, appliedIndex + 1);
    }
  };
  const judge = (command: Uint8Array, isPlain = false): string => {
    const extraBytes = extra.underWay(appliedIndex, log.lastIndex);
    const held = { store, log, appliedIndex, admittedBytes: 0, extraBytes, entryBytesMax: 1e8 };
    const judged = judgeQuota(command, held, bytesMax, isPlain);
    judgedExtra = judged.isTaken ? judged.extraBytes : 0;
    if (judged.isTaken) return "taken";
    if (judged.why === "REQUEST_DENIED") assert.match(judged.reason, /quorate\.max_data_bytes/);
    return judged.why;
  };
  const takes = (command: Uint8Array) => {
    const outcome = judge(command);
    assert.equal(judge(command, true), outcome, "a plain one is judged alike");
    return outcome === "taken";
  };
  for (let n = 0; store.bytes + 1_000 <= bytes; n += 1) {
    append(set(`/k${n}`, 1_000 - 256 - 2 - `${n}`.length));
    apply();
  }
  return { store, log, append, apply, judge, takes };
}

/** A value that takes many times as much as its entry. */
const odd = (n: number) => {
  const value: PyDict = new Map<PyValue, PyValue>([
    ["value", Array.from({ length: 400 }, () => null)],
    ["updated", 5],
    ["created", 5],
  ]);
  return encodeStoredSet(`/odd${n}`, value);
};

test("writes are taken up to the bound", () => {
  const { judge, takes } = scene(100_000);
  assert.ok(takes(set("/new", 90_000)));
  assert.ok(takes(set("/new", 100_000 - 256 - 4)), "to the byte");
  assert.equal(judge(set("/new", 100_000 - 256 - 3)), "REQUEST_DENIED");
  assert.ok(takes(set("/k1", 100_400)), "without what it replaces");
});

test("in a full store a small key with a time to live can be set, however full it is", () => {
  for (const bytes of [bytesMax, 3 * bytesMax]) {
    const { takes } = scene(bytes);
    assert.ok(takes(fleeting("/leader", 1_000)));
    assert.equal(takes(fleeting("/large", nodeLimits.smallGrowthBytes)), false);
    assert.equal(takes(set("/new", 1_000)), false);
  }
});

test("of keys with a time to live there is a sixteenth, and again when they are gone", () => {
  const { store, append, apply, takes } = scene(bytesMax);
  let count = 0;
  for (; takes(fleeting(`/f${count}`, 1_000)); count += 1) {
    append(fleeting(`/f${count}`, 1_000));
    apply();
  }
  assert.equal(count, Math.ceil(kept / (1_000 + 256 + 3)));
  append(fleeting("/f0", 900));
  append(encodeExpire("/f1", store.get("/f1") ?? new Map()));
  apply();
  assert.ok(takes(fleeting("/leader", 1_000)));
});

test("in a full store no key with a time to live can be made to stay", () => {
  const { store, append, apply, takes } = scene(bytesMax);
  for (let n = 0; n < 100; n += 1) {
    const pair = [fleeting(`/x${n}`, 1_000), set(`/x${n}`, 1_000)];
    for (const command of pair.filter((each) => takes(each))) {
      append(command);
      apply();
    }
  }
  assert.ok(store.bytes <= bytesMax + 2 * kept, `${store.bytes} bytes`);
  assert.equal(takes(set("/x0", 1_000)), false);
});

test("in a full store a key that is there may become a little larger, for a sixteenth", () => {
  const { takes } = scene(bytesMax + kept - 1_000);
  assert.ok(takes(set("/k1", 1_500)));
  assert.equal(takes(set("/k1", 5_500)), false);
  const { takes: takesNow } = scene(bytesMax + kept + 1_000);
  assert.equal(takesNow(set("/k1", 1_500)), false);
});

test("at the bound and beyond it all that makes the data no more is taken", () => {
  const { store, takes } = scene(2 * bytesMax);
  assert.equal(takes(set("/new", 1)), false);
  assert.ok(takes(set("/k1", 1)));
  assert.ok(takes(set("/k1", 1_000 - 256 - 3)), "as long as before");
  assert.ok(takes(encodeDelete("/k1")));
  assert.ok(takes(encodeDelete("/", { recursive: true })));
  assert.ok(takes(encodeExpire("/k1", store.get("/k1") ?? new Map())));
  assert.ok(takes(encodeNoOp()));
  assert.ok(takes(encodeMembership("add", "127.0.0.1:1")));
});

test("where only what is not applied yet fills the room, a write is refused for the moment", () => {
  const { append, apply, judge, takes } = scene(0);
  for (let n = 0; n < 19; n += 1) append(set("/t", 10_000));
  for (const isPlain of [true, false]) {
    assert.equal(judge(set("/new", 10_000), isPlain), "QUEUE_FULL");
  }
  assert.ok(takes(fleeting("/leader", 1_000)), "but not what Patroni lives by");
  apply();
  assert.ok(takes(set("/new", 10_000)));
});

test("values that take more than their entries come to no more than the bound either", () => {
  const { store, append, apply, judge } = scene(0);
  let taken = 0;
  for (; taken < 100 && judge(odd(taken)) === "taken"; taken += 1) append(odd(taken));
  assert.equal(judge(odd(taken)), "QUEUE_FULL");
  apply();
  assert.ok(taken > 1 && store.bytes <= bytesMax, `${taken} of them are ${store.bytes} bytes`);
  assert.ok(store.bytes > bytesMax / 2, "and nearly fill it");
  append(encodeDelete("/odd", { recursive: true }));
  apply();
  assert.equal(judge(odd(0)), "taken");
});

test("what is set again behind its delete counts with all that it takes", () => {
  const { store, log, append, apply, judge } = scene(0);
  for (let n = 0; judge(odd(n)) === "taken"; n += 1) {
    append(odd(n));
    apply();
  }
  for (const command of [encodeDelete("/odd1"), odd(1)]) {
    assert.equal(judge(command), "taken");
    append(command);
  }
  apply(log.lastIndex - 1);
  assert.equal(judge(set("/new", 20_000)), "QUEUE_FULL");
  apply();
  assert.ok(store.bytes <= bytesMax);
});

test("however much comes at once, it is no more than a member holds", () => {
  for (const [bytes, commandOf] of [
    [bytesMax, (n: number) => fleeting(`/f${n}`, 1_000)],
    [bytesMax, (n: number) => set(`/k${n}`, 1_000 + nodeLimits.smallGrowthBytes - 300)],
    [bytesMax * (1 + nodeLimits.keptShare) - 1_000, (n: number) => fleeting(`/f${n}`, 1_000)],
  ] as const) {
    const { store, log, append, judge } = scene(bytes);
    const from = log.lastIndex + 1;
    let outcome = "taken";
    for (let n = 0; n < 150 && outcome === "taken"; n += 1) {
      outcome = judge(commandOf(n));
      if (outcome === "taken") append(commandOf(n));
    }
    assert.equal(outcome, "QUEUE_FULL", "it may be well when what is under way is applied");
    const bound = new DataBound(bytesMax, { stayingBytes: 0, lastIndex: 0 });
    for (const { command, index } of log.slice(from, log.lastIndex)) {
      assert.equal(bound.refusal(store, command, index), null);
      store.apply(command, index);
    }
    assert.ok(store.bytes > bytes && store.bytes <= bytesMax * nodeLimits.takenShare);
  }
});

test("what is stored twice, as `updated` and as `created`, counts so when it is judged", () => {
  const { store, log, append, judge } = scene(60_000);
  const from = log.lastIndex + 1;
  const twice = (n: number) => {
    const value = new Map<PyValue, PyValue>([
      ["value", ""],
      ["updated", "x".repeat(20_000)],
      ["created", 6],
    ]);
    return encodeStoredSet(`/k${n}`, value);
  };
  let count = 0;
  for (; count < 30 && judge(twice(count)) === "taken"; count += 1) append(twice(count));
  assert.ok(count > 1 && count < 30, `${count} taken`);
  const bound = new DataBound(bytesMax, { stayingBytes: 0, lastIndex: 0 });
  for (const { command, index } of log.slice(from, log.lastIndex)) {
    assert.equal(bound.refusal(store, command, index), null, "nobody holds it back");
    store.apply(command, index);
  }
  assert.ok(store.bytes > 60_000 + count * 39_000 && store.bytes <= bytesMax, `${store.bytes}`);
});

test("no more keys are taken than a Map holds, whatever their bytes", () => {
  const { log } = scene(0);
  const growth = { bytes: 300, delta: 300, weight: 300, isNew: true, expires: true };
  const judge = (size: number, isNew: boolean) => {
    const store = { bytes: 0, expiringBytes: 0, size, growthBy: () => ({ ...growth, isNew }) };
    const held: Held = {
      ...{ store, log, appliedIndex: log.lastIndex, admittedBytes: 0, extraBytes: 0 },
      entryBytesMax: 1e8,
    };
    return [true, false].map((isPlain) => {
      const judged = judgeQuota(set("/new", 1), held, 1e12, isPlain);
      return judged.isTaken ? "taken" : judged.why;
    });
  };
  const { keysMax, heldKeysMax } = nodeLimits;
  assert.deepEqual(judge(keysMax - 1, true), ["taken", "taken"]);
  assert.deepEqual(judge(keysMax, true), ["REQUEST_DENIED", "REQUEST_DENIED"]);
  assert.deepEqual(judge(keysMax, false), ["taken", "taken"]);
  assert.ok(heldKeysMax < 2 ** 24 && keysMax + 300_000 < heldKeysMax);
});

test("a value that is to go by itself is refused where the command that removes it would be too large", () => {
  const { store, log } = scene(0);
  const judge = (command: Uint8Array) => {
    const base = { store, log, appliedIndex: log.lastIndex, admittedBytes: 0, extraBytes: 0 };
    const judged = judgeQuota(command, { ...base, entryBytesMax: 50_000 }, 1e9, false);
    return judged.isTaken ? "taken" : `${judged.why} ${judged.isCommands} ${judged.reason}`;
  };
  const spare = 256 + "/k".length;
  assert.equal(judge(fleeting("/k", 50_000 - spare)), "taken");
  const refused = judge(fleeting("/k", 50_001 - spare));
  assert.match(refused, /^REQUEST_DENIED true .*quorate\.max_entry_bytes/);
  assert.equal(judge(set("/k", 50_001)), "taken");
  // As large as the one that is there, too.
  store.apply(fleeting("/k", 60_000), 2);
  assert.match(judge(fleeting("/k", 60_000)), /^REQUEST_DENIED/);
});
