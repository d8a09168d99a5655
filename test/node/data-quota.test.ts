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
import { DataQuota } from "../../src/node/data-quota.js";
import { nodeLimits } from "../../src/node/limits.js";
import { RaftLog } from "../../src/raft/raft-log.js";
import { Store } from "../../src/store/store.js";

const bytesMax = 100_000;
const set = (key: string, bytes: number) =>
  encodeSet(key, { value: "x".repeat(bytes), updated: 5, created: 5 });

/** A store of so many bytes in keys of 1,000, and a leader that has applied all. */
function scene(bytes: number) {
  const store = new Store();
  const log = new RaftLog([{ index: 1, term: 1, command: encodeNoOp() }]);
  let appliedIndex = 1;
  const quota = new DataQuota(bytesMax);
  const append = (command: Uint8Array) =>
    log.append([{ index: log.lastIndex + 1, term: 1, command }]);
  const apply = () => {
    for (; appliedIndex < log.lastIndex; appliedIndex += 1) {
      store.apply(log.at(appliedIndex + 1).command, appliedIndex + 1);
    }
  };
  const takes = (command: Uint8Array, isPlain = false): boolean => {
    const held = { store, log, appliedIndex, admittedBytes: 0 };
    const reason = quota.refusal(command, held, isPlain);
    if (reason !== null) assert.match(reason, /quorate\.max_data_bytes/);
    return reason === null;
  };
  for (let n = 0; store.bytes + 1_000 <= bytes; n += 1) {
    append(set(`/k${n}`, 1_000 - 256 - 2 - `${n}`.length));
    apply();
  }
  return { store, append, apply, takes };
}

for (const isPlain of [true, false]) {
  test(`writes are taken up to the bound: ${isPlain ? "plain" : "any"} ones`, () => {
    const { takes } = scene(50_000);
    assert.ok(takes(set("/new", 40_000), isPlain));
    assert.equal(takes(set("/new", 50_000), isPlain), false);
    assert.ok(takes(set("/k1", 50_400), isPlain), "without what it replaces");
  });
}

test("small ones are taken for a little longer, and not for ever", () => {
  const { takes } = scene(bytesMax);
  assert.equal(takes(set("/new", nodeLimits.smallGrowthBytes)), false);
  assert.ok(takes(set("/new", 1_000)));
  const { takes: takesNow } = scene(bytesMax * nodeLimits.smallGrowthShare);
  assert.equal(takesNow(set("/new", 1_000)), false);
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

test("what is not applied yet counts as well", () => {
  const { append, apply, takes } = scene(0);
  for (let n = 0; n < 9; n += 1) append(set(`/t${n}`, 10_000));
  assert.equal(takes(set("/new", 10_000), true), false);
  append(encodeDelete("/t", { recursive: true }));
  assert.equal(takes(set("/new", 10_000)), false);
  apply();
  assert.ok(takes(set("/new", 10_000)));
});

test("values that take more than their commands' bytes count with what they take", () => {
  const { append, apply, takes } = scene(0);
  const list = Array.from({ length: 400 }, () => null);
  const odd = (n: number) => {
    const value: PyDict = new Map<PyValue, PyValue>([
      ["value", list],
      ["updated", 5],
      ["created", 5],
    ]);
    return encodeStoredSet(`/odd${n}`, value);
  };
  let taken = 0;
  while (taken < 100 && takes(odd(taken))) {
    append(odd(taken));
    taken += 1;
  }
  const { bytes } = Store.fromDump(
    new Map([["/odd0", new Map<PyValue, PyValue>([["value", list]])]]),
  );
  assert.ok(taken > 1 && taken * bytes <= bytesMax, `${taken} of ${bytes} bytes`);
  append(encodeDelete("/odd", { recursive: true }));
  apply();
  assert.ok(takes(odd(0)), "all of them are gone");
});
