import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { DumpEncoder } from "../../protocol/files/dump-format.js";
import type { Entry } from "../../protocol/log/entry.js";
import { type PyDict, PyFloat, PyTuple, type PyValue } from "../../protocol/pickle/values.js";
import { systemClock } from "../../src/clock.js";
import { silentLogger } from "../../src/logger.js";
import { SnapshotInbox } from "../../src/node/snapshot-inbox.js";
import { type DumpReceiver, Storage } from "../../src/storage/storage.js";
import { Store } from "../../src/store/store.js";

const mib = 1024 * 1024;
const limits = { dataBytesMax: 2 * mib, entryBytesMax: mib / 4 };
let dataDir = "";
let storage: Storage;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "quorate-received-"));
  ({ storage } = await Storage.open({ dataDir, selfAddr: "127.0.0.1:4001", logger: silentLogger }));
});
afterEach(async () => {
  await storage.close();
  await rm(dataDir, { recursive: true });
});

/** Takes it as a leader sends it. */
async function take(receiver: DumpReceiver, file: Uint8Array): ReturnType<DumpReceiver["finish"]> {
  for (let at = 0; at < file.length; at += 65_536) {
    await receiver.write(file.subarray(at, at + 65_536));
  }
  return await receiver.finish();
}

/** The dump of a leader whose last two entries are as large as they may be. */
function dumpOf(data: Iterable<readonly [PyValue, PyDict]>): Uint8Array {
  const encoder = new DumpEncoder(0);
  for (const [key, value] of data) encoder.add(key, value);
  const last = (index: number): Entry => ({
    ...{ index, term: 1, command: new Uint8Array(limits.entryBytesMax).fill(0xff) },
  });
  encoder.finish(last(9), last(8), ["127.0.0.1:4001"]);
  return gzipSync(encoder.take(), { level: 1 });
}

const usual = (value: string): PyDict =>
  new Map<PyValue, PyValue>([
    ["value", value],
    ["updated", new PyFloat(1.5)],
    ["created", new PyFloat(1.5)],
    ["expire", new PyFloat(2.5)],
    ["index", 7],
  ]);

/** Stores that come to much more than what is in their texts, each by itself. */
const shapes: Readonly<Record<string, (n: number) => readonly [PyValue, PyDict]>> = {
  "keys of a few letters": (n) => [n.toString(36), usual("")],
  "large values beyond ASCII": (n) => [`/k${n}`, usual("é漢".repeat(20_000))],
  "values without a field": (n) => [n.toString(36), new Map()],
  "values of many fields": (n) => [
    n,
    new Map<PyValue, PyValue>(Array.from({ length: 500 }, (_, at) => [at, at] as const)),
  ],
  "values of bytes": (n) => [
    n,
    new Map<PyValue, PyValue>([["b", new Uint8Array(5_000).fill(0xff)]]),
  ],
  "values of lists of lists": (n) => [
    new PyTuple([n, "x"]),
    new Map<PyValue, PyValue>([["l", Array.from({ length: 300 }, () => [])]]),
  ],
  "values of large numbers": (n) => [
    n,
    new Map<PyValue, PyValue>([["n", Array.from({ length: 90 }, () => 7n ** 900n)]]),
  ],
};

describe("a dump that a leader sends", () => {
  for (const [name, record] of Object.entries(shapes)) {
    test(`is taken up to the bound, and not beyond it: ${name}`, async () => {
      const data = new Map<PyValue, PyDict>();
      let held = 0;
      for (let n = 0; ; n += 1) {
        const [key, value] = record(n);
        held += Store.fromDump(new Map<PyValue, PyValue>([[key, value]])).bytes;
        if (held > limits.dataBytesMax) break;
        data.set(key, value);
      }
      const { dump } = await take(storage.receiveDump(limits), dumpOf(data));
      assert.equal(Store.fromDump(dump.data).size, data.size);
      const steps = (bytesMax: number) => [...Store.fromDumpSteps(dump.data, bytesMax)];
      steps(limits.dataBytesMax);
      assert.throws(() => steps(Store.fromDump(dump.data).bytes - 1), { code: "dump-too-large" });
    });
  }

  test("is given up while it comes, as soon as it inflates to more", async () => {
    const receiver = storage.receiveDump(limits);
    const part = gzipSync(Buffer.alloc(mib, "x"));
    let parts = 0;
    const endless = async () => {
      for (; parts < 1_000; parts += 1) await receiver.write(part);
    };
    await assert.rejects(endless(), { code: "dump-too-large" });
    // It is inflated in a thread of its own, which may be behind with a few.
    assert.ok(parts < 100, `${parts} parts were taken`);
    await receiver.abort();
    assert.deepEqual(await leftovers(), []);
  });

  test("leaves no file behind where its pickle may be read and its data are too much", async () => {
    const data = new Map<PyValue, PyDict>();
    // Their keys are short: what each takes beside its text counts for more than it takes in a dump.
    for (let n = 0; n * 256 <= 1.1 * limits.dataBytesMax; n += 1) {
      data.set(n.toString(36), usual(""));
    }
    const happened: string[] = [];
    const inbox = new SnapshotInbox(
      {
        ...{ clock: systemClock, limits },
        receiveDump: (bounds) => storage.receiveDump(bounds),
        discardDump: (dump) => storage.discardDump(dump),
        unusable: (_from, error) => happened.push(String(error)),
        refused: () => happened.push("refused"),
        setHeld: () => {},
        received: () => happened.push("received"),
      },
      silentLogger,
    );
    for (let attempt = 0; attempt < 2; attempt += 1) {
      inbox.take("127.0.0.1:4002", 1, { data: dumpOf(data), isFirst: true, isLast: true });
      await inbox.close();
    }
    assert.deepEqual(happened, ["refused", "refused"]);
    assert.deepEqual(await leftovers(), []);
  });

  test("is given up where its last piece holds all that is too much", async () => {
    const receiver = storage.receiveDump(limits);
    const part = gzipSync(Buffer.alloc(mib, "x"));
    const all = Buffer.concat(Array.from({ length: 50 }, () => part));
    await assert.rejects(take(receiver, all), { code: "dump-too-large" });
  });

  test("is given up where its file goes on and inflates to nothing", async () => {
    const receiver = storage.receiveDump({ dataBytesMax: 1_000_000, entryBytesMax: 1 });
    const part = Buffer.concat(Array.from({ length: 5_000 }, () => gzipSync("")));
    const endless = async () => {
      for (let n = 0; n < 100; n += 1) await receiver.write(part);
    };
    await assert.rejects(endless(), { code: "dump-too-large" });
    await receiver.abort();
  });

  for (const [name, pickle] of [
    ["values of a byte that take hundreds", `](${"}".repeat(60_000)}e`.repeat(50)],
    ["values that nothing takes", "N".repeat(2 * mib)],
    ["marks", "(".repeat(2 * mib)],
    ["a list without end", `]${`(${"N".repeat(1_000)}e`.repeat(80)}`],
    ["values in the memo", `N${"\x94".repeat(2 * mib)}`],
    ["values that come twice", `]${"]2".repeat(70_000)}`],
  ] as const) {
    test(`is given up where its pickle takes too much memory: ${name}`, async () => {
      const file = gzipSync(Buffer.from(`\x80\x02${pickle}.`, "latin1"));
      await assert.rejects(take(storage.receiveDump(limits), file), { code: "pickle-limit" });
    });
  }
});

async function leftovers(): Promise<string[]> {
  return (await readdir(dataDir)).filter((name) => name.includes("tmp"));
}
