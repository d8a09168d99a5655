import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { PyFloat, PySurrogateStr, type PyValue } from "../protocol/pickle/values.js";
import { ObserverClient } from "../src/client/observer-client.js";
import { backUp } from "../src/tools/backup/back-up.js";
import { type Cluster, startCluster } from "./support/cluster.js";
import { assertEqualData } from "./support/compare.js";
import { startEtcd } from "./support/etcd.js";
import { eventually } from "./support/eventually.js";
import type { Child } from "./support/process.js";
import { projectRoot } from "./support/project.js";
import { quorateCli } from "./support/quorate-cli.js";
import { openScene, type Scene } from "./support/scene.js";

/** `quorate restore` that is interrupted midway, and across a change of the leader. */

const version = "0.3.17";
const count = 8_000;
/** When this share of the keys is there, the restore is amid its work. */
const midway = 0.2;

const keyOf = (n: number) => `/restored/${n}`;
const textOf = (n: number) => `value ${n}`;

/** A backup of all these keys. */
async function backupOf(
  scene: Scene,
  keys: readonly PyValue[] = Array.from({ length: count }, (_, n) => keyOf(n)),
  textFor: (n: number) => PyValue = textOf,
): Promise<string> {
  const path = join(scene.folder, "dcs.backup");
  const updated = new PyFloat(Date.now() / 1000);
  const records = keys.map((key, n) => {
    const fields = { value: textFor(n), created: updated, updated, index: n };
    return [key, new Map<PyValue, PyValue>(Object.entries(fields))] as const;
  });
  await backUp(
    {
      ...{ appliedIndex: count, term: 1, leader: null, members: [] },
      ...{ records, size: records.length },
    },
    {
      ...{ path, force: false, prefix: "", software: "0", takenSec: 0 },
      ...{ signal: new AbortController().signal, onProgress: () => {} },
    },
  );
  return path;
}

function startRestore(scene: Scene, path: string, cluster: Cluster, ...flags: string[]): Child {
  const program = join(projectRoot(), "bin", "quorate.js");
  const args = [program, "restore", path, "--addr", cluster.addresses.join(","), ...flags];
  return scene.start({ name: "restore", program: process.execPath, args });
}

/** Until the restore has set some of the keys; it takes them in their order. */
async function untilMidway(client: ObserverClient, before: unknown): Promise<void> {
  await eventually("the restore is amid its work", async () => markOf(client) !== before, {
    everyMs: 5,
  });
}

/** The entry that has set one of the first keys. */
function markOf(client: ObserverClient): unknown {
  return client.get(keyOf(count * midway))?.index;
}

async function assertRestored(cluster: Cluster): Promise<void> {
  const running = cluster.seats.filter(({ child }) => child.isRunning);
  const { entries } = await assertEqualData(running);
  for (let n = 0; n < count; n++) assert.equal(entries[keyOf(n)]?.value, textOf(n), keyOf(n));
  assert.equal(Object.keys(entries).length, count);
}

for (const kind of ["quorate", "vanilla"] as const) {
  test(`a restore into ${kind} members goes on when their leader is killed`, async (t) => {
    const scene = openScene(t);
    const cluster = await startCluster(scene, { version }, [kind, kind, kind]);
    const client = await ObserverClient.connect({ addresses: cluster.addresses });
    t.after(() => client.close());
    const path = await backupOf(scene);
    for (const flags of [[], ["--overwrite"]] as const) {
      const leader = await cluster.leader();
      const before = markOf(client);
      const restore = startRestore(scene, path, cluster, ...flags);
      await untilMidway(client, before);
      await leader.stop("SIGKILL");
      assert.notEqual(markOf(client), before);
      assert.ok(restore.isRunning, "the restore was too quick");
      const { code } = await restore.exited;
      assert.equal(code, 0, restore.log());
      assert.match(restore.log(), new RegExp(`^${count} keys set, 0 kept`));
      await assertRestored(cluster);
      await cluster.restart(leader);
      await cluster.leader();
    }
  });
}

test("a restore that was stopped or killed midway is gone on with by --if-absent", async (t) => {
  const scene = openScene(t);
  const cluster = await startCluster(scene, { version }, ["quorate", "quorate", "quorate"]);
  const client = await ObserverClient.connect({ addresses: cluster.addresses });
  t.after(() => client.close());
  const path = await backupOf(scene);
  const before = readFileSync(path);

  const killed = startRestore(scene, path, cluster);
  await untilMidway(client, undefined);
  killed.signal("SIGKILL");
  await killed.exited;
  const there = client.list("/restored/").length;
  const refused = await quorateCli(["restore", path, "--addr", cluster.addresses.join(",")]);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /the target holds keys already: choose --if-absent/);

  const stopped = startRestore(scene, path, cluster, "--if-absent", "--json");
  await eventually("it goes on", async () => client.list("/restored/").length > there + 100, {
    everyMs: 5,
  });
  stopped.signal("SIGINT");
  assert.deepEqual(await stopped.exited, { code: 130, signal: null });
  assert.match(stopped.log(), /stopped: what was set stays; --if-absent goes on where this ended/);
  const { set, kept, isStopped } = JSON.parse(stopped.log().split("quorate: ")[0] ?? "");
  assert.ok(isStopped && kept >= there && set > 0 && set + kept < count, `${set} and ${kept}`);

  const { code, out } = await quorateCli([
    ...["restore", path, "--if-absent", "--json", "--addr", cluster.addresses.join(",")],
  ]);
  assert.equal(code, 0);
  const rest = JSON.parse(out);
  assert.equal(rest.set + rest.kept, count);
  assert.ok(rest.kept >= set + there);
  await assertRestored(cluster);
  assert.deepEqual(readFileSync(path), before);
});

test("an empty key, which etcd does not take, is told before anything is set", async (t) => {
  const scene = openScene(t);
  const etcd = await startEtcd(scene);
  const path = await backupOf(scene, ["/a", "", "/b"]);
  const into = ["restore", path, "--to", "etcd", "--etcd", etcd.url];
  for (const flags of [[], ["--dry-run"]]) {
    const { code, out, err } = await quorateCli([...into, ...flags]);
    assert.deepEqual([code, out], [1, ""]);
    assert.match(err, /is an empty key, which etcd does not take: choose others with --prefix/);
    assert.deepEqual(await etcd.keys(), {});
  }
  const { code } = await quorateCli([...into, "--prefix", "/"]);
  assert.equal(code, 0);
  assert.deepEqual(Object.keys(await etcd.keys()), ["/a", "/b"]);
});

test("what etcd has no form of is told before anything is set, and never changed into something else", async (t) => {
  const scene = openScene(t);
  const etcd = await startEtcd(scene);
  const halves = new PySurrogateStr(Buffer.from("/c/\xed\xa0\xbd\xed\xb8\x80", "latin1"));
  const unfit: readonly (readonly [PyValue, PyValue, RegExp])[] = [
    ["/c/\ud83d", "x", /"\/c\/\\ud83d" holds half of a character/],
    [halves, "x", /holds what is no text/],
    [7, "x", /holds what is no text/],
    ["/c", "half: \udc00", /"\/c" holds half of a character/],
    ["/c", halves, /"\/c" holds what is no text/],
    ["/c", Uint8Array.of(1), /"\/c" holds what is no text/],
  ];
  for (const [key, value, why] of unfit) {
    const path = await backupOf(scene, ["/a", "/b", key], (n) => (n === 2 ? value : "\u{1f600}"));
    const into = ["restore", path, "--to", "etcd", "--etcd", etcd.url];
    for (const flags of [[], ["--dry-run"]]) {
      const { code, out, err } = await quorateCli([...into, ...flags]);
      assert.deepEqual([code, out], [1, ""], String(why));
      assert.match(err, why);
      assert.deepEqual(await etcd.keys(), {});
    }
    rmSync(path);
  }
  const path = await backupOf(scene, ["/a", "/b", halves], () => "\u{1f600}");
  const into = ["restore", path, "--to", "etcd", "--etcd", etcd.url];
  assert.equal((await quorateCli([...into, "--key", "/a"])).code, 0);
  assert.deepEqual(await etcd.keys(), { "/a": { value: "\u{1f600}", leftSec: null } });
});
