import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ObserverClient } from "../src/client/observer-client.js";
import type { KvChange } from "../src/client/watch.js";
import type { WriteOutcome } from "../src/node/write-outcome.js";
import { ClientNode } from "./support/client-node.js";
import { type Cluster, startCluster } from "./support/cluster.js";
import { assertEqualData } from "./support/compare.js";
import { eventually } from "./support/eventually.js";
import { runSequence, type SequenceClient } from "./support/kv-sequence.js";
import { openScene, type Scene } from "./support/scene.js";
import type { Kind } from "./support/seats.js";

/** Our own observer client against real clusters, of vanilla members and of Quorate's. */

const trio = (kind: Kind): readonly Kind[] => [kind, kind, kind];
/** With upstream up to 0.3.15 an entry larger than its journal by then raises in the leader. */
const largeBytes = (version: string, kind: Kind): readonly number[] =>
  kind === "quorate" || version === "0.3.17"
    ? [65_535, 65_536, 65_537, 4 * 1024 * 1024]
    : [65_535, 65_536, 65_537];
const manyWrites = 10_000;
const inFlight = 512;

interface Case {
  readonly version: string;
  readonly kind: Kind;
  readonly password?: string;
}

const cases: readonly Case[] = [
  { version: "0.3.8", kind: "vanilla" },
  { version: "0.3.15", kind: "vanilla" },
  { version: "0.3.17", kind: "vanilla", password: "Paßwort" },
  { version: "0.3.17", kind: "quorate", password: "Paßwort" },
];

async function connect(t: TestContext, cluster: Cluster): Promise<ObserverClient> {
  // One member is enough: it tells of the others.
  const addresses = cluster.addresses.slice(0, 1);
  const { password } = cluster.options;
  const client = await ObserverClient.connect({
    addresses,
    ...(password === undefined ? {} : { password }),
  });
  t.after(() => client.close());
  return client;
}

/** Everything that a watch tells, until it ends. */
function recordWatch(client: ObserverClient, prefix: string): KvChange[] {
  const seen: KvChange[] = [];
  const follow = async () => {
    for await (const change of client.watch(prefix)) seen.push(change);
  };
  void follow();
  return seen;
}

for (const { version, kind, password } of cases) {
  const name = kind === "quorate" ? "Quorate members" : `PySyncObj ${version}`;
  test(`an observer client of ${name}`, { timeout: 240_000 }, async (t) => {
    const scene = openScene(t);
    const cluster = await startCluster(scene, { version, password }, trio(kind));
    const client = await connect(t, cluster);
    const seen = recordWatch(client, "");
    assert.deepEqual(client.status().members, cluster.addresses);

    await writesAsPatroni(cluster, new ClientNode(client));
    await losesItsLease(client, seen);
    const perSec = await writesMany(client);
    await takesLargeValues(client, largeBytes(version, kind));
    const { entries } = await assertEqualData([...cluster.seats, new ClientNode(client)]);
    assert.equal(Object.keys(entries).filter((key) => key.startsWith("/many/")).length, 1000);
    hasToldAll(seen, entries);
    t.diagnostic(`${manyWrites} writes, ${inFlight} in flight: ${Math.round(perSec)}/s`);
  });
}

/** The sequence through our client gives what it gives through Patroni's own class. */
async function writesAsPatroni(cluster: Cluster, ours: SequenceClient): Promise<void> {
  const observer = await cluster.observer();
  // A condition that does not hold is judged by the cluster, and so has an entry: indexes differ.
  const lines = async (member: SequenceClient, prefix: string) => {
    const seen = await runSequence({ observer, member }, prefix);
    const index = /,?"(index|prevIndex)":-?\d+/g;
    return seen.map((line) => line.replaceAll(prefix, "/").replace(index, ""));
  };
  const theirs = await cluster.observer();
  const expected = await lines(theirs, "/patroni/");
  assert.ok(expected.length > 40, "the whole sequence was run");
  assert.deepEqual(await lines(ours, "/quorate/"), expected);
  await Promise.all([observer.stop(), theirs.stop()]);
}

/** @throws Error where it is not: an election on a busy machine, and the write is made again. */
async function isDone(write: Promise<WriteOutcome<unknown>>): Promise<true> {
  const outcome = await write;
  if (!outcome.ok) throw new Error(outcome.reason);
  return true;
}

async function losesItsLease(client: ObserverClient, seen: readonly KvChange[]): Promise<void> {
  const outcome = await client.set("/lease", "x", { ttl: 1 });
  assert.ok(outcome.ok && outcome.result !== false);
  const { created, updated, expire } = outcome.result;
  assert.equal(created, updated);
  assert.equal(expire, Number(updated) + 1);
  await eventually("the key's time passes", () =>
    seen.some(({ kind, key }) => kind === "delete" && key === "/lease"),
  );
  assert.equal(client.get("/lease"), null);
}

async function takesLargeValues(client: ObserverClient, sizes: readonly number[]): Promise<void> {
  for (const bytes of sizes) {
    const value = "x".repeat(bytes);
    await eventually(`${bytes} bytes`, () => isDone(client.set("/large", value)));
    assert.equal(client.get("/large")?.value, value);
  }
  await eventually("a delete", () => isDone(client.delete("/large")));
}

async function writesMany(client: ObserverClient): Promise<number> {
  const started = performance.now();
  let next = 0;
  const writer = async () => {
    while (next < manyWrites) {
      const number = next;
      next += 1;
      const write = () => isDone(client.set(`/many/${number % 1000}`, `${number}`));
      await eventually(`write ${number}`, write);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, writer));
  return (manyWrites * 1000) / (performance.now() - started);
}

/** Each change once, in the order of the log, and the last one of each key is what there is. */
function hasToldAll(
  seen: readonly KvChange[],
  entries: Readonly<Record<string, { readonly index: number }>>,
): void {
  const last = new Map<string, KvChange>();
  let index = 0;
  for (const change of seen) {
    assert.ok(change.index >= index, `${change.key}: ${change.index} after ${index}`);
    if (change.kind === "set") {
      assert.ok(change.index > index, `${change.key}: index ${index} told twice`);
      assert.equal(change.entry?.index, change.index);
    }
    assert.equal(change.afterGap, false);
    index = change.index;
    last.set(change.key, change);
  }
  const held = [...last].filter(([, change]) => change.kind === "set");
  assert.deepEqual(
    Object.fromEntries(held.map(([key, change]) => [key, change.index])),
    Object.fromEntries(Object.entries(entries).map(([key, entry]) => [key, entry.index])),
  );
  assert.ok(seen.filter(({ key }) => key.startsWith("/many/")).length >= manyWrites);
}

for (const [version, kind] of [
  ["0.3.17", "vanilla"],
  ["0.3.17", "quorate"],
] as const) {
  test(`a compacted log, at the start and after an absence: ${kind} ${version}`, {
    timeout: 180_000,
  }, async (t) => {
    const scene: Scene = openScene(t);
    const cluster = await startCluster(scene, { version, compactAbove: 100 }, trio(kind));
    const writer = await connect(t, cluster);
    for (let n = 0; n < 400; n += 1) assert.ok((await writer.set(`/before/${n % 40}`, `${n}`)).ok);
    const client = await eventually("a client that begins with a dump", async () => {
      const fresh = await connect(t, cluster);
      if (fresh.status().dumps > 0) return fresh;
      await fresh.close();
      await writer.set("/more", "x");
      return null;
    });
    await assertEqualData([...cluster.seats, new ClientNode(client), new ClientNode(writer)]);
    await isAway(cluster, client);
  });
}

/**
 * While our process sleeps, others write, the log is compacted and the silent links are cut. What is
 * told afterwards: the rest of the old link's bytes, then what differs.
 */
async function isAway(cluster: Cluster, client: ObserverClient): Promise<void> {
  const seen = recordWatch(client, "/away/");
  assert.ok((await client.set("/away/gone", "x")).ok);
  assert.ok((await client.set("/away/kept", "x")).ok);
  const other = await cluster.observer();
  const before = client.status().dumps;
  // Larger than what the kernel holds for a reader that does not read.
  const job = other.startWriter({ prefix: "/away/", count: 1200, valueBytes: 16_000 });
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 8_000);
  await job.done;
  assert.notEqual(await other.delete("/away/gone"), false);
  const isThere = () => client.get("/away/1199") !== null && client.get("/away/gone") === null;
  await eventually("the client has all again", isThere, { timeoutMs: 60_000 });
  await sleep(50);
  const { entries } = await assertEqualData([...cluster.seats, new ClientNode(client)]);
  assert.ok(client.status().dumps > before, "it was away for long enough");
  const last = new Map(seen.map((change) => [change.key, change]));
  for (const [key, entry] of Object.entries(entries)) {
    if (key.startsWith("/away/")) assert.deepEqual(last.get(key)?.entry, entry, key);
  }
  assert.equal(last.get("/away/gone")?.kind, "delete");
  assert.ok(seen.some(({ afterGap }) => afterGap));
  // Every key of the writer's was set once, so it is told once, be it by the log or by the dump.
  const told = seen.filter(({ key }) => /\d$/.test(key)).length;
  assert.equal(told, 1200);
}
