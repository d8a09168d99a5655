import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Entry } from "../../protocol/log/entry.js";
import { encodeDelete, encodeSet } from "../../protocol/log/kv-calls.js";
import { clientLimits } from "../../src/client/limits.js";
import { LogApplier } from "../../src/client/log-applier.js";
import { ObserverClient } from "../../src/client/observer-client.js";
import { ConfigError } from "../../src/node/config-types.js";
import { keysPerSlice } from "../../src/store/limits.js";
import { Store } from "../../src/store/store.js";
import { until } from "../net/support/networks.js";
import { lead } from "./support/scripted-leader.js";

const set = (index: number, key: string, value = "x"): Entry => ({
  ...{ index, term: 1 },
  command: encodeSet(key, { value, updated: 1, created: 1 }),
});

/** Of 18 MiB: more than the values of one message may come to, unless told otherwise. */
const largeValue = "x".repeat(18 * 1024 * 1024);

function scene(keys: number) {
  const store = new Store();
  for (let n = 0; n < keys; n += 1) store.apply(set(2, `/many/${n}`).command, 2);
  const told: number[] = [];
  const held: boolean[] = [];
  let turns = 0;
  const applier = new LogApplier({
    store: () => store,
    // biome-ignore lint/correctness/useYield: nothing of it is long
    *applied(entry) {
      told.push(entry.index);
    },
    worked: () => {
      turns += 1;
    },
    setHeld: (isHeld) => void held.push(isHeld),
  });
  applier.restart(2);
  return { store, applier, told, held, turns: () => turns };
}

const sweep: Entry = {
  ...{ index: 3, term: 1 },
  command: encodeDelete("/many", { recursive: true }),
};

test("a recursive delete of very many keys takes turns, and what comes behind it waits", async () => {
  const { store, applier, told, turns } = scene(200_000);
  applier.add(sweep);
  applier.add(set(4, "/many/0"));
  applier.work();
  assert.deepEqual([applier.isIdle, applier.appliedIndex, told], [false, 2, []]);
  assert.equal(store.size, 200_000, "until all of them are looked at nothing has changed");
  // A message that comes meanwhile makes it no faster.
  applier.work();
  assert.equal(applier.appliedIndex, 2);
  while (!applier.isIdle) await nextTurn();
  assert.deepEqual([told, applier.appliedIndex], [[3, 4], 4]);
  assert.deepEqual([store.size, store.get("/many/0")?.get("index")], [1, 4]);
  while (store.isSweeping) await nextTurn();
  assert.ok(turns() > 2, `${turns()} turns`);
});

test("what is removed key by key takes turns as well", async () => {
  const { store, applier, told, turns } = scene(100_000);
  for (let n = 0; n < 100_000; n += 1) {
    applier.add({ index: 3 + n, term: 1, command: encodeDelete(`/many/${n}`) });
  }
  applier.work();
  assert.equal(applier.isIdle, false);
  while (!applier.isIdle) await nextTurn();
  assert.deepEqual([store.size, told.length], [0, 100_000]);
  assert.ok(turns() > 2, `${turns()} turns`);
});

test("what waits is forgotten where another copy takes the place of this one", async () => {
  const { store, applier, told } = scene(200_000);
  applier.add(sweep);
  applier.work();
  applier.restart(9);
  assert.deepEqual([applier.isIdle, applier.appliedIndex], [true, 9]);
  await nextTurn();
  assert.deepEqual([told, store.size], [[], 200_000]);
});

test("the leader is not read from while too much waits", async () => {
  const { applier, held } = scene(100 * keysPerSlice);
  applier.add(sweep);
  const value = "x".repeat(256 * 1024);
  for (let n = 0; n * value.length <= clientLimits.entriesWaitingBytesMax; n += 1) {
    applier.add(set(4 + n, "/large", value));
  }
  applier.work();
  assert.equal(held.at(0), true);
  while (!applier.isIdle) await nextTurn();
  assert.equal(held.at(-1), false);
});

test("an observer is ready when all is applied, and takes the entries that its members take", async (t) => {
  const maxEntryBytes = 24 * 1024 * 1024;
  const { leader, client } = await lead(t, { maxEntryBytes });
  leader.append(encodeSet("/large", { value: largeValue, updated: 1, created: 1 }));
  leader.sendLog();
  // On a busy machine it may be taken for silent meanwhile, and a leader sends again.
  const again = setInterval(() => {
    if (client.status().leader === null) leader.sendLog();
  }, 1_000);
  t.after(() => clearInterval(again));
  await until(() => client.status().appliedIndex === leader.lastIndex, "the entry", 20_000);
  clearInterval(again);
  assert.equal(client.get("/large")?.value, largeValue);
  for (const bounds of [{ maxEntryBytes: 2 * maxEntryBytes }, { maxDataBytes: 1 }]) {
    const connecting = ObserverClient.connect({ addresses: [leader.address], ...bounds });
    await assert.rejects(connecting, ConfigError);
  }
});

test("an observer that is not told takes no message of more than its bounds", async (t) => {
  const { leader, client } = await lead(t);
  leader.append(encodeSet("/large", { value: largeValue, updated: 1, created: 1 }));
  leader.sendLog();
  await until(() => client.status().leader === null, "the link is cut", 20_000);
});

test("what is half told is told to its end before another copy takes the place of this one", () => {
  let told = 0;
  let isRestarted = false;
  const applier = new LogApplier({
    store: () => new Store(),
    *applied() {
      // It ends by itself only once the other copy comes.
      while (!isRestarted || told < 3) {
        told += 1;
        yield;
      }
    },
    worked: () => {},
    setHeld: () => {},
  });
  applier.add(set(2, "/a"));
  applier.work();
  assert.equal(applier.isIdle, false);
  isRestarted = true;
  told = 0;
  applier.restart(9);
  assert.deepEqual([told, applier.isIdle, applier.appliedIndex], [3, true, 9]);
  applier.stop();
});
