import assert from "node:assert/strict";
import { test } from "node:test";
import { vainElectionsText } from "../../src/raft/vain-elections.js";
import { ids, type Log, TakenOver } from "./taken-over.js";

/*
 * Three Quorate members on the journals that members of 0.3.15 have left, which forget their terms: all are
 * there, and none is in doubt of what it holds.
 */

test("an entry that two of three hold stays, whoever ends in a term in between", () => {
  // c committed (5, term 1) with a and fell; b led terms 4 and 5, and committed (5, term 4) with a.
  for (let seed = 1; seed <= 100; seed++) {
    const cluster = new TakenOver(seed, [
      [[0, 5, 5, 6, 4], 4],
      [[0, 5, 5, 6, 4, 5], 5],
      [[0, 5, 5, 6, 1], 5],
    ]);
    cluster.calm(20_000);
    const terms = cluster.terms();
    assert.deepEqual(terms?.slice(0, 5), [0, 5, 5, 6, 4], `seed ${seed}`);
  }
});

test("nobody gives way to a stale log that goes on in a term above all of ours", () => {
  // a and b committed up to 9; c was elected once more by its high terms, alone with them, and then at term 1.
  for (let seed = 1; seed <= 20; seed++) {
    const cluster = new TakenOver(seed, [
      [[0, 3, 3, 4, 4, 4, 2, 2, 2], 9],
      [[0, 3, 3, 4, 4, 4, 2, 2, 2], 9],
      [[0, 3, 3, 4, 4, 4, 5, 5, 5, 1], 6],
    ]);
    cluster.calm(20_000);
    assert.deepEqual(cluster.terms()?.slice(0, 9), [0, 3, 3, 4, 4, 4, 2, 2, 2], `seed ${seed}`);
  }
});

test("what a majority has lost keeps nobody from leading", () => {
  for (const logs of [
    [
      [[0, 5, 5, 6, 1, 1], 6],
      [[0, 5, 5, 6, 2], 5],
      [[0, 5, 5, 6, 2], 5],
    ],
    [
      [[0, 5, 5, 6, 1, 1, 1, 1, 1, 1], 10],
      [[0, 5, 5, 6, 2, 2, 2], 7],
      [[0, 5, 5, 6, 2, 2, 2], 7],
    ],
  ] satisfies Log[][]) {
    const cluster = new TakenOver(3, logs);
    cluster.calm(20_000);
    assert.deepEqual(cluster.terms()?.slice(0, 5), [0, 5, 5, 6, 2]);
  }
});

test("what one of two others has committed is waited for", () => {
  const cluster = new TakenOver(3, [
    [[0, 5, 5, 6, 1, 1], 6],
    [[0, 5, 5, 6, 2], 5],
    [[0, 5, 5, 6, 1, 1], 6],
  ]);
  cluster.calm(20_000);
  assert.deepEqual(cluster.terms()?.slice(0, 6), [0, 5, 5, 6, 1, 1]);
});

test("a member that does not campaign tells where its log ends all the same", () => {
  for (let seed = 1; seed <= 10; seed++) {
    const cluster = new TakenOver(seed, [
      [[0, 5, 5, 6, 1, 2, 4], 6],
      [[0, 5, 5, 6, 1], 5],
      [[0, 5, 5, 6, 1, 2, 3], 6],
    ]);
    cluster.calm(30_000);
    assert.deepEqual(cluster.terms()?.slice(0, 6), [0, 5, 5, 6, 1, 2], `seed ${seed}`);
  }
});

test("where three logs end in three terms below their highest, nobody leads, and it is said", () => {
  const cluster = new TakenOver(3, [
    [[0, 5, 5, 6, 1], 4],
    [[0, 5, 5, 6, 2], 4],
    [[0, 5, 5, 6, 3], 4],
  ]);
  cluster.calm(60_000);
  assert.equal(cluster.leader(), null);
  for (const id of ids) {
    const state = cluster.member(id).core?.state;
    assert.ok(state !== undefined);
    assert.match(vainElectionsText(state) ?? "", /elections in a row have given no leader/);
  }
});
