import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { etcdPackages, startEtcd } from "./support/etcd.js";
import { eventually } from "./support/eventually.js";
import { freeAddresses } from "./support/free-ports.js";
import { scope, ttlSec } from "./support/patroni-node.js";
import { openPatroniStage } from "./support/patroni-stage.js";
import { keyPrefix, untilPrimary } from "./support/patroni-steps.js";
import { quorateCli } from "./support/quorate-cli.js";
import { startVanilla } from "./support/vanilla-member.js";

const slow = { timeoutMs: 60_000, everyMs: 200 };

test("Patroni moves from raft to etcd with a backup, and PostgreSQL does not notice", {
  timeout: 300_000,
}, async (t) => {
  const stage = await openPatroniStage(t);
  const { scene } = stage;
  const [member = ""] = await freeAddresses(1);
  const [etcd, packages] = await Promise.all([
    startEtcd(scene),
    etcdPackages(stage.python),
    startVanilla(scene, { version: "0.3.17", selfAddr: member, partners: [] }),
  ]);
  const node = await stage.node({ name: "pg1", partners: [member] });
  node.start();
  await untilPrimary(node);
  await node.sql("create table kept (step text primary key)");
  await node.sql("insert into kept values ('before')");
  const query =
    "select pg_postmaster_start_time(), pg_is_in_recovery(), timeline_id, system_identifier " +
    "from pg_control_checkpoint(), pg_control_system()";
  const before = await node.sql(query);
  stage.note("primary, with raft");

  await stage.patronictl(node, ["pause", scope, "--wait"]);
  await node.stop();
  assert.equal(await node.sql(query), before);
  const path = join(scene.folder, "dcs.backup");
  const ok = async (...args: string[]) => {
    const { code, out, err } = await quorateCli(args);
    assert.equal(code, 0, err);
    return out;
  };
  stage.note(await ok("backup", path, "--addr", member));
  stage.note(await ok("restore", path, "--to", "etcd", "--etcd", etcd.url));
  const moved = await etcd.keys();
  const sysid = await node.sql("select system_identifier from pg_control_system()");
  assert.equal(moved[`${keyPrefix}initialize`]?.value, sysid);
  const config = moved[`${keyPrefix}config`]?.value;

  node.useEtcd(etcd.address, packages);
  node.start();
  // Its own lease, in the place of the one that was restored.
  await eventually(
    "Patroni leads, by etcd",
    async () => {
      const { role, state } = await node.rest();
      const keys = await etcd.keys();
      assert.deepEqual([role, state], ["primary", "running"]);
      const leader = keys[`${keyPrefix}leader`];
      assert.ok(leader?.value === node.name && leader.leftSec !== null, JSON.stringify(leader));
      return keys[`${keyPrefix}members/${node.name}`]?.leftSec !== null;
    },
    slow,
  );
  assert.equal((await etcd.keys())[`${keyPrefix}config`]?.value, config);
  const rest = `http://127.0.0.1:${node.ports.rest}/config`;
  const body = JSON.stringify({ pause: null });
  assert.equal((await fetch(rest, { method: "PATCH", body })).status, 200);
  // Whatever was restored with a time to live is over by then.
  const untilMs = Date.now() + (ttlSec + 3) * 1000;
  await eventually(
    "not paused, and still the primary after a time to live",
    async () => {
      const { role, pause } = await node.rest();
      const leader = (await etcd.keys())[`${keyPrefix}leader`];
      assert.deepEqual([role, pause, leader?.value], ["primary", undefined, node.name]);
      return Date.now() > untilMs;
    },
    slow,
  );
  await node.sql("insert into kept values ('after')");
  assert.equal(
    await node.sql("select string_agg(step, ' ' order by step) from kept"),
    "after before",
  );
  assert.equal(await node.sql(query), before, "the same postmaster, never demoted");
  assert.doesNotMatch(node.log(), /bootstrap|demot/i);
  stage.note("primary, with etcd; the same postmaster");
});
