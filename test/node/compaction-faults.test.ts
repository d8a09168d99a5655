import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { encodeMembership } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import { encodeDelete, encodeSet } from "../../protocol/log/kv-calls.js";
import { systemClock } from "../../src/clock.js";
import { silentLogger } from "../../src/logger.js";
import { Applier } from "../../src/node/applier.js";
import { Compaction } from "../../src/node/compaction.js";
import { nodeLimits } from "../../src/node/limits.js";
import { Notes } from "../../src/node/notes.js";
import { Proposals } from "../../src/node/proposals.js";
import { raftLimits } from "../../src/raft/limits.js";
import { Progress } from "../../src/raft/progress.js";
import { RaftState } from "../../src/raft/state.js";
import { Storage } from "../../src/storage/storage.js";
import { StorageError } from "../../src/storage/storage-error.js";
import { Store } from "../../src/store/store.js";

const selfAddr = "127.0.0.1:4001";

function entries(from: number, to: number, term = 1): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, at) => {
    const index = from + at;
    const value = { value: `v${index}`, created: 1, updated: 2 };
    return { index, term, command: encodeSet(`/k${index}`, value) };
  });
}

/** A member's store, log and files, with its compaction, and nothing that runs by itself. */
class Bench {
  readonly dataDir: string;
  readonly storage: Storage;
  readonly raft: RaftState;
  readonly applier: Applier;
  readonly compaction: Compaction;
  readonly written: number[] = [];
  attempts = 0;
  handOvers = 0;
  nowMs = 0;
  journalBytes = 0;
  fault: Error | null = null;

  private constructor(
    dataDir: string,
    storage: Storage,
    log: readonly Entry[],
    { minEntries, logBytesMax }: { readonly minEntries: number; readonly logBytesMax: number },
  ) {
    this.dataDir = dataDir;
    this.storage = storage;
    const config = {
      ...{ selfId: selfAddr, electionTimeoutMsMin: 400, electionTimeoutMsMax: 1400 },
      ...{ heartbeatMs: 100, leaderFallbackMs: 30_000, random: () => 0.5 },
      onConflict: "keep" as const,
      logBytesMax,
    };
    const initial = {
      ...{ term: 1, votedFor: null, commitIndex: log.length, appliedIndex: 1, entries: log },
      ...{ members: ["127.0.0.1:4002"], mustRefetch: false },
    };
    this.raft = new RaftState(config, initial, 0);
    const clock = { ...systemClock, monotonicMs: () => this.nowMs, wallSec: () => 0 };
    const notes = new Notes(silentLogger, clock.monotonicMs);
    const proposals = new Proposals({
      ...{ clock, state: this.raft, store: () => this.applier.store, propose: () => {} },
      ...{
        sendCommand: () => false,
        fail: () => {},
        refused: () => {},
        full: () => {},
        logFull: () => "",
        dataBytesMax: Infinity,
      },
      appliedIndex: () => this.raft.applyingTo,
    });
    this.applier = new Applier(
      {
        ...{ clock, proposals, notes, readDump: () => storage.readDump(), applied: () => {} },
        replaced: (dumpIndex) => this.compaction.storeReplaced(dumpIndex),
        failed: (error) => assert.fail(error),
        heldBack: () => {},
      },
      null,
    );
    const bench = this;
    const writer = {
      get journalBytes() {
        return bench.journalBytes;
      },
      get needsDump() {
        return storage.needsDump;
      },
      writeDump: (...given: Parameters<Storage["writeDump"]>) => {
        this.attempts += 1;
        return this.fault === null ? storage.writeDump(...given) : Promise.reject(this.fault);
      },
    };
    this.compaction = new Compaction(
      {
        ...{ state: this.raft, applier: this.applier, storage: writer, notes, clock },
        logger: silentLogger,
        dumpWritten: (previousIndex) => this.written.push(previousIndex),
        handOver: () => {
          this.handOvers += 1;
        },
      },
      { minEntries, minTimeMs: 300_000 },
      1,
    );
  }

  static async open(
    t: TestContext,
    added: readonly Entry[],
    minEntries = 10,
    logBytesMax: number = raftLimits.logBytesMax,
  ): Promise<Bench> {
    const dataDir = await mkdtemp(join(tmpdir(), "quorate-compaction-"));
    const { storage, recovered } = await Storage.open({ dataDir, selfAddr, logger: silentLogger });
    await storage.write([{ kind: "append", entries: added }]);
    const log = [...recovered.entries, ...added];
    const bench = new Bench(dataDir, storage, log, { minEntries, logBytesMax });
    t.after(async () => {
      // A dump may still be under way.
      await bench.compaction.stop();
      await storage.close();
      await rm(dataDir, { recursive: true });
    });
    return bench;
  }
}

test("a dump that failed is not tried again at each entry that is applied", async (t) => {
  const added = entries(2, 60);
  const bench = await Bench.open(t, added);
  bench.fault = new StorageError("no-space", "/d", "no space left");
  for (const entry of added.slice(0, 39)) {
    bench.applier.apply([entry]);
    bench.nowMs += 100;
    bench.compaction.consider();
    await nextTurn();
  }
  assert.equal(bench.attempts, 1);
  bench.fault = null;
  bench.nowMs += nodeLimits.dumpRetryMs;
  bench.applier.apply(added.slice(39));
  bench.compaction.consider();
  await bench.compaction.now();
  assert.equal(bench.attempts, 2);
  assert.deepEqual(bench.written, [59]);
});

test("a dump that was found to be damaged is written again, of the same index", async (t) => {
  const added = entries(2, 60);
  const bench = await Bench.open(t, added);
  bench.applier.apply(added);
  await bench.compaction.now();
  await bench.storage.write([{ kind: "compact", keepFrom: 59 }]);
  await assert.rejects(bench.compaction.now(), /no dump can be written/);
  const path = join(bench.dataDir, `${selfAddr}.dump`);
  await truncate(path, 30);
  const reader = await bench.storage.openDump();
  assert.ok(reader !== null);
  await reader.read(1000);
  await assert.rejects(reader.read(1000), /the dump is damaged/);
  await reader.close();
  bench.compaction.consider();
  await bench.compaction.now();
  assert.equal((await bench.storage.readDump())?.last.index, 60);
  const aside = (await readdir(bench.dataDir)).filter((name) => name.includes(".dump.damaged-"));
  assert.equal(aside.length, 1);
});

test("a dump of a history that was replaced meanwhile is put nowhere", async (t) => {
  const added = entries(2, 60);
  const bench = await Bench.open(t, added);
  bench.applier.apply(added);
  const writing = bench.compaction.now();
  const [previous, last] = entries(19, 20, 2);
  assert.ok(previous !== undefined && last !== undefined);
  // A leader's dump that reaches less far: our 40 last entries were of no majority.
  const members = [selfAddr, "127.0.0.1:4002"];
  const dump = { data: new Map(), codeVersion: 0, last, previous, members };
  bench.applier.install(dump, Store.fromDump(dump.data));
  await assert.rejects(writing);
  assert.equal(await bench.storage.readDump(), null);
  assert.deepEqual(bench.written, []);
  const left = (await readdir(bench.dataDir)).filter((name) => name.includes("quorate-tmp"));
  assert.deepEqual(left, []);
});

test("no dump, for a waiting follower neither, while a change of members may be undone", async (t) => {
  const added = entries(2, 20);
  const change = { index: 21, term: 1, command: encodeMembership("add", "127.0.0.1:4003") };
  const bench = await Bench.open(t, [...added, change]);
  bench.applier.apply(added);
  await assert.rejects(bench.compaction.now());
  bench.applier.apply([change]);
  await bench.compaction.now();
  assert.deepEqual(bench.written, [20]);
});

test("a log that a follower is catching up with is left alone, but not without end", async (t) => {
  const added = entries(2, 220);
  const bench = await Bench.open(t, added);
  const progress = new Progress(2, 0);
  bench.raft.role = "leader";
  bench.raft.connected.add("127.0.0.1:4002");
  bench.raft.progress.set("127.0.0.1:4002", progress);
  progress.mode = "snapshot";
  const log = bench.raft.log;
  log.truncate(51);
  bench.applier.apply(added.slice(0, 49));
  bench.nowMs += 60_000;
  bench.compaction.consider();
  assert.equal(bench.attempts, 0);
  log.append(added.slice(49));
  bench.compaction.consider();
  assert.equal(bench.attempts, 1);
  await bench.compaction.now();
  progress.mode = "replicate";
  bench.applier.apply(added.slice(49));
  bench.compaction.consider();
  assert.equal(bench.attempts, 2);
  await bench.compaction.now();
});

test("under load there is a rest between two dumps, and a longer log", async (t) => {
  const added = entries(2, 60);
  const bench = await Bench.open(t, added);
  const restMs = 10 * nodeLimits.dumpRestMsPerEntry;
  const log = bench.raft.log;
  log.truncate(32);
  bench.applier.apply(added.slice(0, 20));
  bench.nowMs += restMs - 1;
  bench.compaction.consider();
  assert.equal(bench.attempts, 0);
  bench.nowMs += 1;
  bench.compaction.consider();
  assert.equal(bench.attempts, 1);
});

test("the rest ends where the log has grown too long, in entries or in bytes", async (t) => {
  const added = entries(2, 10 * nodeLimits.restLogFactor + 1);
  const bench = await Bench.open(t, added);
  const last = bench.raft.log.lastIndex;
  const dropped = added.slice(-1);
  bench.raft.log.truncate(last);
  bench.applier.apply(added.slice(0, -1));
  bench.compaction.consider();
  assert.equal(bench.attempts, 0);
  bench.journalBytes = nodeLimits.restJournalBytesMax + 1;
  bench.compaction.consider();
  assert.equal(bench.attempts, 1);
  await bench.compaction.now();
  bench.journalBytes = 0;
  bench.raft.log.append(dropped);
  bench.applier.apply(dropped);
  bench.compaction.consider();
  assert.equal(bench.attempts, 2);
});

test("what was not possible when the last entry was applied is done later all the same", async (t) => {
  const added = entries(2, 60);
  const bench = await Bench.open(t, added);
  bench.nowMs += 1_000;
  bench.raft.durableIndex = 30;
  bench.applier.apply(added);
  bench.compaction.consider();
  assert.equal(bench.attempts, 0);
  bench.compaction.start();
  t.after(() => bench.compaction.stop());
  bench.raft.durableIndex = 60;
  for (let turn = 0; turn < 100 && bench.written.length === 0; turn += 1) await sleep(100);
  assert.deepEqual(bench.written, [59]);
});

/** With as many entries of 8 MiB as these bytes take, all of one key; no dump of them is really written. */
async function benchOfLarge(t: TestContext, bytes: number): Promise<Bench> {
  const bench = await Bench.open(t, entries(2, 3), 5_000);
  bench.fault = new StorageError("no-space", "/d", "not to be written");
  const value = { value: "v".repeat(8 * 1024 * 1024), created: 1, updated: 2 };
  const command = encodeSet("/large", value);
  bench.applier.apply(entries(2, 3));
  for (let index = 4; index < 4 + bytes / command.length; index += 1) {
    const added = [{ index, term: 1, command }];
    bench.raft.log.append(added);
    bench.applier.apply(added);
  }
  const { lastIndex } = bench.raft.log;
  bench.raft.durableIndex = lastIndex;
  while (bench.applier.appliedIndex !== lastIndex) await nextTurn();
  return bench;
}

const heavy = nodeLimits.heavyLogBytesMin;
const restMs = 5_000 * nodeLimits.dumpRestMsPerEntry;

test("a log of few entries is compacted when their bytes are many, after the same rest", async (t) => {
  const light = await benchOfLarge(t, 0.5 * heavy);
  light.nowMs += restMs;
  light.compaction.consider();
  assert.equal(light.attempts, 0);
  const bench = await benchOfLarge(t, heavy);
  bench.nowMs += restMs - 1;
  bench.compaction.consider();
  assert.equal(bench.attempts, 0);
  bench.nowMs += 1;
  bench.compaction.consider();
  assert.equal(bench.attempts, 1);
});

test("the rest ends, and nobody is waited for, where the bytes have become far too many", async (t) => {
  const bench = await benchOfLarge(t, nodeLimits.heavyLogRestFactor * heavy);
  bench.compaction.consider();
  assert.equal(bench.attempts, 1);
  for (const isFarTooMuch of [false, true]) {
    const factor = isFarTooMuch ? nodeLimits.heavyLogCatchUpFactor : 1;
    const awaited = await benchOfLarge(t, factor * heavy);
    const progress = new Progress(2, 0);
    awaited.raft.role = "leader";
    awaited.raft.connected.add("127.0.0.1:4002");
    awaited.raft.progress.set("127.0.0.1:4002", progress);
    progress.mode = "snapshot";
    awaited.nowMs += restMs;
    awaited.compaction.consider();
    assert.equal(awaited.attempts, isFarTooMuch ? 1 : 0);
  }
});

test("a member that lags far behind is waited for as well, and not for ever", async (t) => {
  for (const [matchIndex, factor, attempts] of [
    [2, 1, 0],
    [10, 1, 1],
    [2, nodeLimits.heavyLogCatchUpFactor, 1],
  ] as const) {
    const bench = await benchOfLarge(t, factor * heavy);
    const progress = new Progress(2, 0);
    Object.assign(progress, { mode: "replicate", matchIndex });
    bench.raft.role = "leader";
    bench.raft.connected.add("127.0.0.1:4002");
    bench.raft.progress.set("127.0.0.1:4002", progress);
    bench.nowMs += restMs;
    bench.compaction.consider();
    assert.equal(bench.attempts, attempts, `${matchIndex}, ${factor}`);
  }
});

test("no dump is begun before the journal is cut behind the last one", async (t) => {
  const added = entries(2, 60);
  const bench = await Bench.open(t, added);
  bench.applier.apply(added);
  bench.nowMs += 60_000;
  bench.raft.compactSeq = 5;
  bench.raft.durableSeq = 4;
  bench.compaction.consider();
  await assert.rejects(bench.compaction.now(), /no dump can be written/);
  assert.equal(bench.attempts, 0);
  bench.raft.durableSeq = 5;
  bench.compaction.consider();
  assert.equal(bench.attempts, 1);
});

test("no dump is begun while removed keys are still to be taken out of memory", async (t) => {
  const added = entries(2, 60);
  const bench = await Bench.open(t, added);
  bench.applier.apply(added);
  bench.nowMs += 60_000;
  const { store } = bench.applier;
  const removal = store.begin(encodeDelete("/k", { recursive: true }), 61);
  assert.ok("next" in removal);
  while (removal.next().done !== true);
  assert.ok(store.isSweeping);
  bench.compaction.consider();
  assert.equal(bench.attempts, 0);
  while (store.sweep());
  bench.compaction.consider();
  assert.equal(bench.attempts, 1);
});

test("with a full log a dump is tried again sooner, and the lead goes to another member", async (t) => {
  const added = entries(2, 60);
  const bench = await Bench.open(t, added, 10, 10_000);
  bench.fault = new StorageError("no-space", "/d", "no space left");
  bench.raft.role = "leader";
  bench.applier.apply(added);
  const attempt = async (ms: number) => {
    bench.nowMs += ms;
    bench.compaction.consider();
    await nextTurn();
    return [bench.attempts, bench.handOvers];
  };
  assert.deepEqual(await attempt(60_000), [1, 1]);
  assert.deepEqual(await attempt(nodeLimits.fullLogRetryMs - 1), [1, 1]);
  assert.deepEqual(await attempt(1), [2, 1]);
  assert.deepEqual(await attempt(nodeLimits.fullLogHandOverMs), [3, 2]);
  bench.raft.role = "follower";
  assert.deepEqual(await attempt(nodeLimits.fullLogHandOverMs), [4, 2]);
});

test("a leader whose log is not full keeps the lead, whatever becomes of its dump", async (t) => {
  const added = entries(2, 60);
  const bench = await Bench.open(t, added);
  bench.fault = new StorageError("no-space", "/d", "no space left");
  bench.raft.role = "leader";
  bench.applier.apply(added);
  bench.nowMs += 60_000;
  bench.compaction.consider();
  await nextTurn();
  assert.deepEqual([bench.attempts, bench.handOvers], [1, 0]);
});

test("with much data as many bytes again are no long log", async (t) => {
  const bench = await benchOfLarge(t, heavy);
  Object.defineProperty(bench.applier.store, "bytes", { value: heavy });
  bench.nowMs += restMs;
  bench.compaction.consider();
  assert.equal(bench.attempts, 0);
});
