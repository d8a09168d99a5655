import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry } from "../../protocol/log/entry.js";
import type { PyDict, PyValue } from "../../protocol/pickle/values.js";
import { silentLogger } from "../../src/logger.js";
import { type Recovered, Storage } from "../../src/storage/storage.js";
import { CrashFileSystem, type Fate, isCrash, ofThisLife } from "./crash-file-system.js";

const dataLimits = { dataBytesMax: 64 * 1024 * 1024, entryBytesMax: 8 * 1024 * 1024 };

/** What the member must find again, and what it may find. */
interface Model {
  /** Acknowledged entries, from `first` on. */
  acked: Entry[];
  /** As asked for, not acknowledged: may be there. */
  asked: Entry[] | null;
  term: number;
  votedFor: string | null;
  askedTerm: { term: number; votedFor: string | null } | null;
  dumpLast: number;
  askedDumpLast: number;
}

class Random implements Fate {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0 || 1;
  }
  pick(limit: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % limit;
  }
}

const address = "127.0.0.1:4001";
const members = [address, "127.0.0.1:4002"];

function open(fs: CrashFileSystem): Promise<{ storage: Storage; recovered: Recovered }> {
  // The timers of a process that was killed outlive it here.
  const fileSystem = ofThisLife(fs);
  return Storage.open({ dataDir: "/d", selfAddr: address, logger: silentLogger, fileSystem });
}

function entryAt(index: number, term: number, random: Random): Entry {
  const length = [1, 30, 300, 1500, 9000][random.pick(5)] ?? 1;
  // No zero bytes: what is torn must be told from content. Zeros have a test of their own.
  return { index, term, command: new Uint8Array(length).fill(1 + ((index * 7 + term) % 250)) };
}

function same(a: Entry | undefined, b: Entry | undefined): boolean {
  return (
    a !== undefined &&
    b !== undefined &&
    a.index === b.index &&
    a.term === b.term &&
    Buffer.compare(a.command, b.command) === 0
  );
}

function* records(count: number): Generator<readonly [PyValue, PyDict]> {
  for (let n = 0; n < count; n++)
    yield [`/key/${n}`, new Map<PyValue, PyValue>([["value", `v${n}`]])];
}

async function step(storage: Storage, model: Model, random: Random): Promise<void> {
  const last = model.acked.at(-1);
  assert(last !== undefined);
  switch (random.pick(8)) {
    case 0: {
      const term = model.term + 1 + random.pick(2);
      const votedFor = random.pick(2) === 0 ? null : (members[random.pick(2)] ?? null);
      model.askedTerm = { term, votedFor };
      await storage.write([{ kind: "meta", term, votedFor }]);
      model.term = term;
      model.votedFor = votedFor;
      model.askedTerm = null;
      return;
    }
    case 1: {
      const cut = model.dumpLast + random.pick(9);
      const keep = model.acked.filter((entry) => entry.index <= cut);
      const fromIndex = (keep.at(-1)?.index ?? 0) + 1;
      if (keep.length === 0 || fromIndex <= Math.max(model.dumpLast, model.acked[0]?.index ?? 1))
        return;
      // Until it is acknowledged, the cut entries may be there or not.
      const before = model.acked;
      model.acked = keep;
      model.asked = before;
      await storage.write([{ kind: "truncate", fromIndex }]);
      model.asked = null;
      return;
    }
    case 2: {
      const at = model.acked.findIndex((entry) => entry.index > model.dumpLast);
      const previous = model.acked[at];
      const dumped = model.acked[at + 1];
      if (at < 0 || previous === undefined || dumped === undefined) return;
      await storage.writeDump({
        last: dumped,
        previous,
        members,
        codeVersion: 0,
        records: records(40),
      });
      model.askedDumpLast = dumped.index;
      await storage.write([{ kind: "compact", keepFrom: previous.index }]);
      model.dumpLast = dumped.index;
      model.acked = model.acked.slice(at);
      return;
    }
    case 3:
      if (random.pick(3) !== 0) return;
      await installed(storage, model, random);
      return;
    case 4:
      storage.saveCommitIndex(last.index);
      return;
    default: {
      const entries: Entry[] = [];
      const count = 1 + random.pick(5);
      for (let n = 1; n <= count; n++) entries.push(entryAt(last.index + n, model.term, random));
      model.asked = [...model.acked, ...entries];
      await storage.write([{ kind: "append", entries }]);
      model.acked = model.asked;
      model.asked = null;
    }
  }
}

async function installed(storage: Storage, model: Model, random: Random): Promise<void> {
  const source = new CrashFileSystem();
  const { storage: leader } = await open(source);
  const index = (model.acked.at(-1)?.index ?? 1) + 5;
  const previous = entryAt(index, model.term, random);
  const last = entryAt(index + 1, model.term, random);
  await leader.writeDump({ last, previous, members, codeVersion: 0, records: records(9) });
  const reader = await leader.openDump();
  assert(reader !== null);
  const receiver = storage.receiveDump(dataLimits);
  for (;;) {
    const chunk = await reader.read(100);
    if (chunk.length === 0) break;
    await receiver.write(chunk);
  }
  const dump = await receiver.finish();
  model.askedDumpLast = last.index;
  model.asked = [previous, last];
  await storage.write([{ kind: "install", dump, keep: [] }]);
  model.acked = [previous, last];
  model.dumpLast = last.index;
  model.asked = null;
  await leader.close();
}

function check(recovered: Recovered, model: Model, seed: string): void {
  // Neither damage nor another program: only the torn tail of a batch may be found.
  for (const finding of recovered.findings) {
    assert.match(finding.message, /never acknowledged|contradicts the dump/, seed);
  }
  assert.equal(recovered.mustRefetch, false, seed);
  const dumpLast = recovered.dump?.last.index ?? 0;
  assert(dumpLast === model.dumpLast || dumpLast === model.askedDumpLast, seed);
  const { entries } = recovered;
  for (let at = 1; at < entries.length; at++) {
    assert.equal(entries[at]?.index, (entries[at - 1]?.index ?? 0) + 1, seed);
  }
  if (recovered.dump !== null) {
    assert(
      same(entries[0], recovered.dump.previous) && same(entries[1], recovered.dump.last),
      seed,
    );
  }
  const known = new Map<number, Entry[]>();
  for (const entry of [...model.acked, ...(model.asked ?? [])]) {
    known.set(entry.index, [...(known.get(entry.index) ?? []), entry]);
  }
  for (const entry of entries) {
    assert(
      known.get(entry.index)?.some((candidate) => same(entry, candidate)),
      `${seed} ${entry.index}`,
    );
  }
  const held = new Map(entries.map((entry) => [entry.index, entry]));
  for (const entry of model.acked) {
    if (entry.index <= dumpLast - 2) continue;
    assert(
      same(held.get(entry.index), entry),
      `${seed}: acknowledged entry ${entry.index} is gone`,
    );
  }
  const isAsked =
    model.askedTerm?.term === recovered.term && model.askedTerm.votedFor === recovered.votedFor;
  const isStored = model.term === recovered.term && model.votedFor === recovered.votedFor;
  assert(isAsked || isStored, `${seed}: term ${recovered.term} vote ${recovered.votedFor}`);
}

async function life(seed: number): Promise<void> {
  const random = new Random(seed * 2_654_435_761);
  const fs = new CrashFileSystem();
  let opened = await open(fs);
  const model = modelOf(opened.recovered);
  for (let round = 0; round < 6; round++) {
    fs.stopAfter = fs.operations + random.pick(60);
    await untilCrash(async () => {
      for (let n = 0; n < 25; n++) await step(opened.storage, model, random);
      if (random.pick(2) === 0) await opened.storage.close();
    });
    let next: typeof opened | null = null;
    while (next === null) {
      fs.restart(random.pick(4) === 0 ? null : random);
      // It may also stop amid the recovery.
      if (random.pick(3) === 0) fs.stopAfter = random.pick(12);
      await untilCrash(async () => {
        next = await open(fs);
      });
    }
    opened = next;
    fs.stopAfter = -1;
    check(opened.recovered, model, `seed ${seed} round ${round}`);
    Object.assign(model, modelOf(opened.recovered));
  }
}

function modelOf(recovered: Recovered): Model {
  const dumpLast = recovered.dump?.last.index ?? 0;
  return {
    acked: [...recovered.entries],
    asked: null,
    term: recovered.term,
    votedFor: recovered.votedFor,
    askedTerm: null,
    dumpLast,
    askedDumpLast: dumpLast,
  };
}

async function untilCrash(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isCrash(error)) throw error;
  }
}

test("nothing acknowledged is lost, whatever a crash leaves of the unsynced", async () => {
  const first = Number(process.env["STORAGE_SEED"] ?? 1);
  const count = Number(process.env["STORAGE_SEEDS"] ?? 60);
  for (let seed = first; seed < first + count; seed++) {
    try {
      await life(seed);
    } catch (error) {
      console.error(`STORAGE_SEED=${seed}`);
      throw error;
    }
  }
});

test("a first start that ends anywhere leaves a member that is new", async () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = new Random(seed * 2_654_435_761);
    const fs = new CrashFileSystem();
    fs.stopAfter = random.pick(12);
    await untilCrash(async () => {
      await open(fs);
    });
    fs.restart(random.pick(4) === 0 ? null : random);
    const { recovered } = await open(fs);
    assert.deepEqual(recovered.findings, [], `seed ${seed}`);
    assert.equal(recovered.mustRefetch, false, `seed ${seed}`);
  }
});
