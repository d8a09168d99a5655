import assert from "node:assert/strict";
import { test } from "node:test";
import { BusyCluster } from "./busy-cluster.js";
import { type Deeds, perhaps } from "./chance.js";

const first = Number(process.env["SEED"] ?? 1);
const count = Number(process.env["SEEDS"] ?? 15);

function chaos(cluster: BusyCluster, ids: readonly string[]): void {
  const pick = () => ids[Math.floor(cluster.random() * ids.length)] ?? "";
  let written = 0;
  const deeds: Deeds = [
    [0.05, () => cluster.propose(cluster.leader() ?? pick(), `w${written++}`)],
    [0.004, () => cluster.crash(pick())],
    [0.01, () => restart(cluster)],
    [0.006, () => cluster.disconnect(pick(), pick())],
    [0.02, () => connectTwo(cluster, pick(), pick())],
    [0.005, () => cluster.changeMembers(pick())],
    [0.004, () => cluster.transfer(pick())],
    [0.005, () => cluster.watch(pick())],
    [0.002, () => cluster.unwatch(pick())],
    [0.003, () => cluster.compact(pick())],
  ];
  for (let event = 0; event < 3000; event += 1) {
    cluster.runLater();
    cluster.advance();
    perhaps(cluster.random, deeds);
  }
}

function connectTwo(cluster: BusyCluster, a: string, b: string): void {
  if (a !== b) cluster.connect(a, b);
}

function restart(cluster: BusyCluster): void {
  const [dead] = [...cluster.members].filter(([, member]) => member.core === null);
  if (dead !== undefined) cluster.start(dead[0]);
}

function settle(cluster: BusyCluster, ids: readonly string[]): void {
  for (let turn = 0; turn < ids.length; turn += 1) restart(cluster);
  for (const a of ids) for (const b of ids) if (a !== b) cluster.connect(a, b);
  for (const id of ids) cluster.watch(id);
  // A member that was away while the present leader was taken out, or let in, does not know it, as with
  // PySyncObj: it hears of it from one that it knows. So everybody has a turn at leading.
  for (let turn = 0; turn < 60; turn += 1) {
    cluster.calm(200);
    cluster.addAll();
    if (turn < 40) cluster.transfer(ids[turn % ids.length] ?? "");
  }
}

function run(seed: number, ids: readonly string[]): void {
  const cluster = new BusyCluster({ seed, members: ids });
  chaos(cluster, ids);
  settle(cluster, ids);
  const leader = cluster.leader();
  assert.ok(leader !== null, "there is a leader after the faults");
  const { core } = cluster.member(leader);
  assert.equal(core?.state.members.size, ids.length - 1, "everybody is a member again");
  cluster.propose(leader, "last");
  cluster.calm(1_000);
  cluster.assertAgreement();
  const log = core?.state.log;
  const { observer } = cluster;
  assert.deepEqual(observer.log.at(-1), log?.at(log.lastIndex), "the observer has all of the log");
}

for (const ids of [
  ["a:1", "b:1", "c:1", "d:1"],
  ["a:1", "b:1", "c:1", "d:1", "e:1"],
]) {
  test(`${ids.length} members that come, go, hand over and are observed agree`, () => {
    for (let seed = first; seed < first + count; seed += 1) {
      try {
        run(seed, ids);
      } catch (error) {
        throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, {
          cause: error,
        });
      }
    }
  });
}
