import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { encodeExpire, encodeStoredSet } from "../../protocol/log/kv-calls.js";
import { type PyDict, PyFloat, type PyValue } from "../../protocol/pickle/values.js";
import { systemClock, type Timer } from "../../src/clock.js";
import { Expiry } from "../../src/node/expiry.js";
import { writeFailure } from "../../src/node/write-outcome.js";
import { raftLimits } from "../../src/raft/limits.js";
import { RaftState } from "../../src/raft/state.js";
import { Store } from "../../src/store/store.js";
import { logOf } from "../raft/solo.js";

/*
 * A key that no `_expire` can remove goes by `_delete` with the index of its value: members of PySyncObj remove it
 * by that just so.
 */

const key = "/service/demo/large";

/** A leader with this store, whose commands are taken and applied as a leader does it. */
function leader(store: Store, entryBytesMax: number = raftLimits.entryBytesMax) {
  const state = new RaftState(
    {
      ...{ selfId: "a:1", electionTimeoutMsMin: 400, electionTimeoutMsMax: 1400, heartbeatMs: 100 },
      ...{ leaderFallbackMs: 30_000, onConflict: "keep", random: () => 0.5, entryBytesMax },
    },
    {
      ...{ term: 1, votedFor: null, commitIndex: 1, appliedIndex: 1, entries: logOf([0]) },
      ...{ members: ["b:1", "c:1"], mustRefetch: false },
    },
    0,
  );
  state.setRole("leader", "a:1");
  state.noOpIndex = state.lastApplied;
  const said: string[] = [];
  const sent: number[] = [];
  const refused: string[] = [];
  let nowMs = 1_000_000;
  let index = 1_000;
  /** Comes between what the leader sends and what is applied. */
  let before = () => {};
  const timer: Timer = { cancel: () => {}, unref: () => timer };
  const expiry = new Expiry({
    clock: {
      ...systemClock,
      monotonicMs: () => nowMs,
      wallSec: () => 1_700_000_000 + nowMs / 1000,
      every: () => timer,
    },
    proposals: {
      room: 1_000,
      submit: (command, done) => {
        sent.push(command.length);
        const reason = command.length > entryBytesMax ? "too large" : store.refusal(command, []);
        if (reason !== null) {
          refused.push(reason);
          done(writeFailure("REQUEST_DENIED", reason));
          return;
        }
        before();
        index += 1;
        assert(!("raised" in store.apply(command, index)));
        done({ ok: true, error: 0, result: null, index, term: 1 });
      },
    },
    ...{ store: () => store, state: () => state },
    say: ({ text }) => said.push(text),
  });
  const look = () => {
    nowMs += 2_000;
    expiry.look();
  };
  const meanwhile = (run: () => void) => {
    before = run;
  };
  return { look, said, sent, refused, meanwhile };
}

function fieldsOf(fields: Readonly<Record<string, PyValue>>): PyDict {
  const usual = { value: "x", updated: new PyFloat(5), created: new PyFloat(5) };
  return new Map(Object.entries({ ...usual, expire: new PyFloat(10), ...fields }));
}

function storeOf(fields: Readonly<Record<string, PyValue>>, index = 7): Store {
  const store = new Store();
  assert(!("raised" in store.apply(encodeStoredSet(key, fieldsOf(fields)), index)));
  return store;
}

suite("keys that no _expire can remove", () => {
  test("one that is too large for a command goes by its index, and is not even written", () => {
    const store = storeOf({ value: "x".repeat(100_000) });
    const { look, said, sent } = leader(store, 50_000);
    look();
    assert.equal(store.size, 0);
    assert.equal(sent.length, 1);
    assert((sent[0] ?? 0) < 100);
    assert.deepEqual(said, []);
  });

  test("one with a nan goes by its index when it did not by its value", () => {
    const store = storeOf({ created: new PyFloat(Number.NaN) });
    const { look, said, sent } = leader(store);
    look();
    assert.equal(store.size, 0);
    assert.equal(sent.length, 2);
    assert.deepEqual(said, []);
  });

  test("so does one whose _expire a leader refuses", () => {
    const sets = Array.from({ length: 4_000 }, () => new Set<PyValue>());
    const store = Store.fromDump(new Map([[key, fieldsOf({ value: sets, index: 7 })]]));
    const { look, said, sent, refused } = leader(store);
    look();
    assert.match(refused[0] ?? "", /too many opcodes/);
    assert.equal(store.size, 0);
    assert.equal(sent.length, 2);
    assert.deepEqual(said, []);
  });

  test("one that is set again meanwhile stays", () => {
    const store = storeOf({ value: "x".repeat(100_000) });
    const { look, said, meanwhile } = leader(store, 50_000);
    const again = fieldsOf({ value: "y".repeat(100_000), expire: new PyFloat(2e9) });
    meanwhile(() => store.apply(encodeStoredSet(key, again), 500));
    look();
    assert.equal(store.get(key)?.get("index"), 500);
    assert.deepEqual(said, []);
  });

  test("one without an index that names its entry stays, told once", () => {
    for (const index of ["7", 0, -1, new PyFloat(Number.NaN), null]) {
      const value = fieldsOf({ created: new PyFloat(Number.NaN), index });
      const store = Store.fromDump(new Map([[key, value]]));
      const { look, said } = leader(store);
      look();
      look();
      assert.equal(store.size, 1);
      assert.equal(said.length, 1);
      assert.match(said[0] ?? "", /its value equals nothing/);
    }
  });

  test("any other goes by its value, as with PySyncObj", () => {
    const store = storeOf({});
    const { look, sent } = leader(store);
    look();
    assert.equal(store.size, 0);
    assert.deepEqual(sent, [encodeExpire(key, fieldsOf({ index: 7 })).length]);
  });
});
