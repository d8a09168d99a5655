import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Entry } from "../../protocol/log/entry.js";
import { encodeSet } from "../../protocol/log/kv-calls.js";
import { systemClock } from "../../src/clock.js";
import { silentLogger } from "../../src/logger.js";
import { Applier } from "../../src/node/applier.js";
import { Compaction } from "../../src/node/compaction.js";
import { Notes } from "../../src/node/notes.js";
import { Proposals } from "../../src/node/proposals.js";
import { RaftState } from "../../src/raft/state.js";
import { Storage } from "../../src/storage/storage.js";
import { Store } from "../../src/store/store.js";

const selfAddr = "127.0.0.1:4001";

function entries(from: number, to: number): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, at) => {
    const index = from + at;
    const value = { value: `v${index}`, created: 1, updated: 2 };
    return { index, term: 1, command: encodeSet(`/k${index}`, value) };
  });
}

function state(log: readonly Entry[]): RaftState {
  const config = {
    ...{ selfId: selfAddr, electionTimeoutMsMin: 400, electionTimeoutMsMax: 1400 },
    ...{ heartbeatMs: 100, leaderFallbackMs: 30_000, random: () => 0.5 },
    onConflict: "keep" as const,
  };
  const initial = {
    ...{ term: 1, votedFor: null, commitIndex: 40, appliedIndex: 1, entries: log },
    ...{ members: [], mustRefetch: false },
  };
  return new RaftState(config, initial, 0);
}

/** A member's store and compaction over a log of 40 entries, of which the core has given out those up to `startIndex`. */
async function scene(t: TestContext, startIndex = 1) {
  const dataDir = await mkdtemp(join(tmpdir(), "quorate-compaction-"));
  t.after(() => rm(dataDir, { recursive: true }));
  const { storage, recovered } = await Storage.open({ dataDir, selfAddr, logger: silentLogger });
  t.after(() => storage.close());
  const added = entries(2, 40);
  await storage.write([{ kind: "append", entries: added }]);
  const raft = state([...recovered.entries, ...added]);
  raft.applyingTo = startIndex;
  const clock = { ...systemClock, monotonicMs: () => 0, wallSec: () => 0 };
  const notes = new Notes(silentLogger, clock.monotonicMs);
  const proposals = new Proposals({
    clock,
    ...{ state: raft, store: () => applier.store, propose: () => {}, sendCommand: () => false },
    ...{
      fail: () => {},
      refused: () => {},
      full: () => {},
      logFull: () => "",
      dataBytesMax: Infinity,
      appliedIndex: () => raft.applyingTo,
    },
  });
  const applier: Applier = new Applier(
    {
      ...{ clock, proposals, notes, readDump: () => storage.readDump(), replaced: () => {} },
      // The core's own lastApplied stays at 1, as it does until the runtime's turn is over.
      applied: () => compaction.consider(),
      heldBack: () => {},
      failed: (error) => assert.fail(error),
    },
    null,
  );
  const written: number[] = [];
  const compaction: Compaction = new Compaction(
    {
      ...{ state: raft, applier, storage, notes, clock, logger: silentLogger },
      dumpWritten: (previousIndex) => written.push(previousIndex),
      handOver: () => {},
    },
    { minEntries: 4, minTimeMs: 60_000 },
    1,
  );
  return { storage, raft, applier, compaction, written, added };
}

test("a dump's index is the store's own, which the core learns of later", async (t) => {
  const { storage, applier, compaction, written, added } = await scene(t);
  applier.apply(added.slice(0, 29));
  await compaction.now();
  assert.deepEqual(written, [29]);
  const dump = await storage.readDump();
  assert.equal(dump?.last.index, 30);
  assert.equal(Store.fromDump(dump?.data ?? new Map()).size, 29);
});

test("no dump is begun by itself before all is applied that was committed at the start", async (t) => {
  const { storage, raft, applier, compaction, written, added } = await scene(t, 40);
  applier.apply(added.slice(0, 38));
  assert.equal(applier.appliedIndex, 39);
  await sleep(20);
  assert.equal(await storage.readDump(), null);
  applier.apply(added.slice(38));
  await compaction.now();
  assert.deepEqual(written, [39]);
  assert.equal(raft.applyingTo, 40);
});

test("but where some of it has to go first, it is not waited for", async (t) => {
  const { raft, applier, written, added } = await scene(t, 40);
  raft.applyingTo = 30;
  applier.apply(added.slice(0, 29));
  for (let looks = 0; written.length === 0 && looks < 1000; looks++) await sleep(5);
  assert.deepEqual(written, [29]);
});
