import assert from "node:assert/strict";
import { test } from "node:test";
import type { Effect } from "../../src/raft/types.js";
import { vainElectionsText } from "../../src/raft/vain-elections.js";
import { SimCluster, type SimMember } from "./sim-cluster.js";
import { entry } from "./solo.js";

/*
 * Three Quorate members on the journals that members of 0.3.15 have left, which forget their terms: all are
 * there, and none is in doubt of what it holds.
 */

/** Terms of the entries from index 1 on, and the commit index that was stored. */
type Log = readonly [terms: readonly number[], commitIndex: number];

const ids = ["a:1", "b:1", "c:1"];

class TakenOver extends SimCluster {
  constructor(seed: number, logs: readonly Log[]) {
    super({ seed, members: ids });
    for (const id of ids) this.crash(id);
    for (const [i, [terms, commitIndex]] of logs.entries()) {
      const entries = terms.map((term, at) => entry(at + 1, term));
      const term = Math.max(...terms);
      const disk = { term, votedFor: null, commitIndex, entries, dump: null };
      this.member(ids[i] ?? "").disk = disk;
    }
    for (const id of ids) this.start(id);
  }

  /** They have committed different entries before: what is applied differs, and some of it goes. */
  protected override performOne(member: SimMember, effect: Effect): void {
    if (effect.kind === "rebuild") member.applied = [...effect.entries];
    else if (effect.kind !== "apply") super.performOne(member, effect);
    else {
      const index = effect.entries.at(-1)?.index ?? 0;
      this.later.push(() => this.step(member.id, { kind: "applied", index }));
    }
  }

  /** The leader's log. */
  terms(): number[] | null {
    const leader = this.leader();
    const log = leader === null ? null : this.member(leader).core?.state.log;
    return log?.slice(1, log.lastIndex).map(({ term }) => term) ?? null;
  }
}

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
