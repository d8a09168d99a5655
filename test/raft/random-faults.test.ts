import assert from "node:assert/strict";
import { test } from "node:test";
import { type Deeds, perhaps } from "./chance.js";
import { SimCluster } from "./sim-cluster.js";

const ids = ["a:1", "b:1", "c:1"];

/** A run of faults, then calm: the cluster must agree, and work again. */
function run(seed: number, members: readonly string[], quorate: boolean): void {
  const cluster = new SimCluster({ seed, members, quorate });
  let written = 0;
  const pick = () => members[Math.floor(cluster.random() * members.length)] ?? "";
  const deeds: Deeds = [
    [0.05, () => cluster.propose(cluster.leader() ?? pick(), `w${written++}`)],
    [0.005, () => cluster.crash(pick())],
    [0.01, () => restartOne(cluster)],
    [0.01, () => cluster.disconnect(pick(), pick())],
    [0.025, () => connectTwo(cluster, pick(), pick())],
    [0.003, () => cluster.compact(pick())],
  ];
  for (let event = 0; event < 3000; event += 1) {
    cluster.runLater();
    cluster.advance();
    perhaps(cluster.random, deeds);
  }
  settle(cluster, members);
}

function settle(cluster: SimCluster, members: readonly string[]): void {
  for (const id of members) if (cluster.member(id).core === null) cluster.start(id);
  for (const a of members) for (const b of members) if (a !== b) cluster.connect(a, b);
  for (let turn = 0; turn < 60; turn += 1) {
    cluster.runLater();
    cluster.calm(200);
  }
  const leader = cluster.leader();
  assert.ok(leader !== null, "there is a leader after the faults");
  cluster.propose(leader, "last");
  for (let turn = 0; turn < 10; turn += 1) {
    cluster.runLater();
    cluster.calm(100);
  }
  cluster.assertAgreement();
  const last = cluster.member(leader).applied.at(-1);
  assert.equal(Buffer.from(last?.command.subarray(1) ?? []).toString(), "last");
}

/** Slow disks, a fast clock, and leaders that die with writes on the way: many elections. */
function hurry(seed: number, members: readonly string[]): void {
  const cluster = new SimCluster({ seed, members, clockStepMsMax: 120, diskSpeed: 0.4 });
  const pick = () => members[Math.floor(cluster.random() * members.length)] ?? "";
  let written = 0;
  const deeds: Deeds = [
    [0.08, () => cluster.propose(cluster.leader() ?? pick(), `w${written++}`)],
    [0.006, () => cluster.crash(cluster.leader() ?? pick())],
    [0.003, () => cluster.crash(pick())],
    [0.02, () => restartOne(cluster)],
    [0.01, () => cluster.disconnect(pick(), pick())],
    [0.03, () => connectTwo(cluster, pick(), pick())],
  ];
  for (let event = 0; event < 3000; event += 1) {
    cluster.runLater();
    cluster.advance();
    perhaps(cluster.random, deeds);
  }
  settle(cluster, members);
}

function connectTwo(cluster: SimCluster, a: string, b: string): void {
  if (a !== b) cluster.connect(a, b);
}

function restartOne(cluster: SimCluster): void {
  for (const [id, member] of cluster.members) {
    if (member.core === null) {
      cluster.start(id);
      return;
    }
  }
}

const first = Number(process.env["SEED"] ?? 1);
const count = Number(process.env["SEEDS"] ?? 60);

for (const [name, members, quorate] of [
  ["three Quorate members", ids, true],
  ["three members that take each other for vanilla", ids, false],
  ["five Quorate members", [...ids, "d:1", "e:1"], true],
] as const) {
  test(`${name} agree after random faults`, () => {
    for (let seed = first; seed < first + count; seed += 1) {
      try {
        run(seed, members, quorate);
      } catch (error) {
        throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, {
          cause: error,
        });
      }
    }
  });
}

for (const members of [ids, [...ids, "d:1", "e:1"]]) {
  test(`${members.length} members agree after many elections`, () => {
    for (let seed = first; seed < first + count; seed += 1) {
      try {
        hurry(seed, members);
      } catch (error) {
        throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, {
          cause: error,
        });
      }
    }
  });
}
