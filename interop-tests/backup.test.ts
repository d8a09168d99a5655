import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ObserverClient } from "../src/client/observer-client.js";
import { BackupFile } from "../src/tools/backup/backup-file.js";
import { type Cluster, startCluster } from "./support/cluster.js";
import { assertEqualData } from "./support/compare.js";
import { startEtcd } from "./support/etcd.js";
import type { KvRecord } from "./support/kv-data.js";
import { quorateCli } from "./support/quorate-cli.js";
import { openScene } from "./support/scene.js";
import type { Kind } from "./support/seats.js";

/** A backup of a live vanilla cluster, restored everywhere and compared key by key. */

const trio = (kind: Kind): readonly Kind[] => [kind, kind, kind];
/** Large enough for a clock that is read later to matter little. */
const ttlSec = 900;

async function ok(args: readonly string[]): Promise<string> {
  const { code, out, err } = await quorateCli(args);
  assert.equal(code, 0, err);
  return out;
}

const addr = (cluster: Cluster) => ["--addr", cluster.addresses[1] ?? ""];

/** Writes `/live/1`, `/live/2` … one after the other until it is stopped. */
function writeOn(client: ObserverClient) {
  let isStopped = false;
  const run = async (): Promise<number> => {
    for (let n = 1; ; n++) {
      if (isStopped) return n;
      const outcome = await client.set(`/live/${n}`, String(n));
      assert.ok(outcome.ok);
    }
  };
  const done = run();
  return async () => {
    isStopped = true;
    return await done;
  };
}

for (const version of ["0.3.8", "0.3.17"]) {
  test(`a backup of a live cluster of PySyncObj ${version}`, { timeout: 300_000 }, async (t) => {
    const scene = openScene(t);
    const [from, quorate, vanilla, etcd] = await Promise.all([
      startCluster(scene, { version }, trio("vanilla")),
      startCluster(scene, { version }, trio("quorate")),
      startCluster(scene, { version }, trio("vanilla")),
      startEtcd(scene),
    ]);
    const client = await ObserverClient.connect({ addresses: from.addresses.slice(0, 1) });
    t.after(() => client.close());
    const put = async (key: string, value: string, ttl?: number) => {
      const outcome = await client.set(key, value, ttl === undefined ? {} : { ttl });
      assert.ok(outcome.ok && outcome.result !== false);
    };
    await put("/service/größe/config", '{"ttl": 30,\n "loop_wait": 10}');
    await put("/service/größe/config", '{"ttl": 31,\n "loop_wait": 10}');
    await put("/service/größe/leader", "node\u{1f418}", ttlSec);
    await put("/service/größe/members/node1", "", ttlSec);
    // Up to 0.3.15 an entry larger than the journal by then raises in the leader.
    await put("/service/large", "ä".repeat(version === "0.3.17" ? 30_000 : 200));
    await put("/gone", "x");
    assert.ok((await client.delete("/gone")).ok);

    const stop = writeOn(client);
    const path = join(scene.folder, "dcs.backup");
    const printed = JSON.parse(await ok(["backup", path, "--json", ...addr(from)]));
    const written = await stop();
    t.diagnostic(`${printed.entries} keys, ${printed.bytes} bytes, ${written} live writes`);

    const file = await BackupFile.open(path);
    t.after(() => file.close());
    const expected: Record<string, Omit<KvRecord, "index">> = {};
    const indexes: number[] = [];
    for await (const entry of file.entries()) {
      assert.ok(entry.kind === "plain");
      const { key, value, created, updated, expire, index } = entry;
      expected[key] = { value, created, updated, ...(expire === null ? {} : { expire }) };
      indexes.push(index);
    }
    // Of one moment: of what was written one after the other there is a beginning, without a gap.
    assert.ok(indexes.every((index) => index <= printed.appliedIndex));
    const live = Object.keys(expected).filter((key) => key.startsWith("/live/"));
    assert.ok(live.every((_, n) => expected[`/live/${n + 1}`] !== undefined));
    assert.equal(Object.keys(expected).length, live.length + 4);
    // And as the members hold it: nothing of it was changed since.
    const source = await assertEqualData(from.seats);
    for (const [key, record] of Object.entries(expected)) {
      assert.deepEqual(withoutIndex(source.entries[key]), record, key);
    }

    for (const cluster of [quorate, vanilla]) {
      const counts = JSON.parse(await ok(["restore", path, "--json", ...addr(cluster)]));
      assert.equal(counts.set, printed.entries);
      const { entries } = await assertEqualData(cluster.seats);
      const held = Object.entries(entries).map(([key, record]) => [key, withoutIndex(record)]);
      assert.deepEqual(Object.fromEntries(held), expected);
    }
    const toEtcd = ["restore", path, "--to", "etcd", "--etcd", etcd.url];
    assert.match(await ok([...toEtcd, "--dry-run"]), /keys would be set, 0 kept/);
    assert.deepEqual(await etcd.keys(), {});
    const counts = JSON.parse(await ok([...toEtcd, "--json"]));
    assert.equal(counts.set, printed.entries);
    const keys = await etcd.keys();
    assert.deepEqual(Object.keys(keys).sort(), Object.keys(expected).sort());
    for (const [key, { value, expire }] of Object.entries(expected)) {
      assert.equal(keys[key]?.value, value);
      const left = expire === undefined ? null : expire - Date.now() / 1000;
      const lease = keys[key]?.leftSec ?? null;
      if (left === null) assert.equal(lease, null, key);
      else assert.ok(lease !== null && Math.abs(lease - left) < 30, `${key}: ${lease}, ${left}`);
    }
    await conditionsInEtcd(toEtcd, etcd);
    await withUser(toEtcd, etcd, join(scene.folder, "etcd-password"));
  });
}

async function conditionsInEtcd(
  toEtcd: readonly string[],
  etcd: Awaited<ReturnType<typeof startEtcd>>,
) {
  const refused = await quorateCli(toEtcd);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /the target holds keys already/);
  const absent = JSON.parse(await ok([...toEtcd, "--if-absent", "--json"]));
  assert.equal(absent.set, 0);
  const one = [...toEtcd, "--key", "/live/1"];
  assert.equal((await quorateCli([...one, "--prev-value", "other"])).code, 1);
  await ok([...one, "--prev-value", "1"]);
  await ok([...toEtcd, "--if-present", "--prefix", "/service/"]);
  assert.equal((await etcd.keys())["/live/1"]?.value, "1");
  const nobody = await quorateCli(
    ["restore", toEtcd[1] ?? "", "--to", "etcd"].concat([...["--etcd", "http://127.0.0.1:1"]]),
  );
  assert.equal(nobody.code, 1);
  assert.match(nobody.err, /127\.0\.0\.1:1\/version: .*(ECONNREFUSED|bad port)/);
}

/** etcd with authentication enabled: without a user, with a wrong password, with the right one. */
async function withUser(
  toEtcd: readonly string[],
  etcd: Awaited<ReturnType<typeof startEtcd>>,
  passwordFile: string,
) {
  await etcd.enableAuthentication("root", "geh\u{e4}im");
  const restore = [...toEtcd, "--overwrite", "--json"];
  const nameless = await quorateCli(restore);
  assert.equal(nameless.code, 1);
  assert.match(nameless.err, /user name is empty: it wants a user: give --etcd-user/);
  const named = [...restore, "--etcd-user", "root", "--etcd-password-file", passwordFile];
  writeFileSync(passwordFile, "wrong\n");
  const wrong = await quorateCli(named);
  assert.equal(wrong.code, 1);
  assert.match(wrong.err, /authentication failed, invalid user ID or password/);
  writeFileSync(passwordFile, "geh\u{e4}im\n");
  const { set } = JSON.parse(await ok(named));
  assert.ok(set > 0);
}

function withoutIndex(record: KvRecord | undefined): Omit<KvRecord, "index"> | undefined {
  if (record === undefined) return undefined;
  const { index: _, ...rest } = record;
  return rest;
}
