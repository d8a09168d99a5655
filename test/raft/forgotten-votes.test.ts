import assert from "node:assert/strict";
import { test } from "node:test";
import { takenOverTermStep } from "../../protocol/files/limits.js";
import { appendFrom, logOf, preVoteAnswer, Solo } from "./solo.js";
import { ids, TakenOver } from "./taken-over.js";
import { requestVote, talk, vanilla } from "./vanilla-peers.js";

/*
 * Members of 0.3.15 forget whom they have voted for, and in which term. a and b had elected c, in a term above all
 * of their entries, and have nothing of what it appended; then Quorate takes all three over, and c comes last.
 */

const common = [0, 5, 5, 5];

/** All three once c is there, with the tail of the term that it led, and what was acknowledged without it. */
function afterLateMember(seed: number, tail: readonly number[]) {
  const logs = [[common, 4] as const, [common, 4] as const, [[...common, ...tail], 4] as const];
  const cluster = new TakenOver(seed, logs, ["c:1"]);
  cluster.calm(10_000);
  const leader = cluster.leader();
  assert.ok(leader !== null);
  for (const text of ["one", "two"]) cluster.propose(leader, text);
  cluster.calm(2_000);
  const acknowledged = cluster.log(leader) ?? [];
  assert.ok(acknowledged.length >= common.length + 2);
  cluster.start("c:1");
  cluster.calm(20_000);
  return { cluster, acknowledged };
}

test("what is acknowledged without a late member stays, whatever term that one was elected in", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const { cluster, acknowledged } = afterLateMember(seed, Array(6).fill(8));
    const held = cluster.log(cluster.leader())?.slice(0, acknowledged.length);
    assert.deepEqual(held, acknowledged, `seed ${seed}`);
  }
});

test("no entries of the same index and term differ", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const { cluster, acknowledged } = afterLateMember(seed, [6, 6]);
    for (const id of ids) {
      const held = cluster.log(id)?.slice(0, acknowledged.length);
      assert.deepEqual(held, acknowledged, `seed ${seed}, ${id}`);
    }
  }
});

test("a follower takes its leader's entry in the place of another one of the same term", () => {
  const solo = new Solo({ log: [0, 5, 5], term: 6 });
  const other = { index: 4, term: 6, command: Uint8Array.of(0, 7) };
  solo.receive("b:1", appendFrom(6, [3, 5], [{ ...other, command: Uint8Array.of(0, 8) }]));
  solo.receive("b:1", appendFrom(6, [3, 5], [other], 4));
  assert.deepEqual(solo.state.log.at(4), other);
});

test("a log that a dump has taken the dip from is not overruled by the one that made it", () => {
  // b led term 100 and appended what nobody got; a and c forgot, and committed two entries in term 1.
  const common = Array.from({ length: 10 }, (_, at) => (at === 0 ? 0 : 100));
  for (let seed = 1; seed <= 60; seed++) {
    const cluster = new TakenOver(seed, [
      [[...common, 1, 1], 12, 12],
      [[...common, 100, 100, 100, 100], 10],
      [[...common, 1, 1], 12, 12],
    ]);
    cluster.calm(20_000);
    const leader = cluster.leader();
    assert.ok(leader !== null, `seed ${seed}`);
    assert.equal(cluster.member(leader).core?.state.log.termAt(12), 1, `seed ${seed}`);
  }
});

test("a member that may have voted votes in a term in which it has not", () => {
  const termFloor = 5 + takenOverTermStep;
  const solo = new Solo({ log: [0, 5], term: 5, termFloor });
  const ask = { type: "request_vote", term: 6, lastLogIndex: 2, lastLogTerm: 5 } as const;
  solo.receive("b:1", ask);
  assert.deepEqual(solo.takeTo("b:1", "response_vote"), []);
  assert.deepEqual([solo.state.term, solo.state.votedFor], [termFloor, null]);
  solo.receive("b:1", { ...ask, term: termFloor + 1 });
  assert.equal(solo.takeTo("b:1", "response_vote").length, 1);
});

test("nor does it campaign in another one; and it follows whoever leads", () => {
  const termFloor = 5 + takenOverTermStep;
  const solo = new Solo({ log: [0, 5], term: 5, termFloor, quorate: true });
  solo.receive("b:1", appendFrom(6, [2, 5]));
  assert.deepEqual([solo.state.leader, solo.state.term], ["b:1", 6]);
  solo.timeOut();
  solo.receive("b:1", preVoteAnswer(7));
  assert.deepEqual([solo.state.role, solo.state.term], ["candidate", termFloor + 1]);
});

test("the vote of a member that knows another entry as committed is not counted", () => {
  const solo = new Solo({ log: [0, 5, 5], term: 5, commit: 2, quorate: true });
  solo.timeOut();
  solo.receive("b:1", { ...preVoteAnswer(6), commitIndex: 3, commitTerm: 4 });
  assert.equal(solo.state.role, "follower");
  assert.ok(solo.notes().includes("campaign-contradicted"));
  solo.receive("c:1", { ...preVoteAnswer(6), commitIndex: 3, commitTerm: 5 });
  assert.equal(solo.state.role, "candidate");
});

/**
 * Ours goes from 30 to 45 in the term behind the step, what was before is in the dump. b holds a tail that reached
 * nobody, of the term that it led before; c holds all of ours.
 */
function besideStale(termFloor: number) {
  const term = 800 + takenOverTermStep + 1;
  const solo = new Solo({
    ...{ entries: logOf(Array(16).fill(term), 30), applied: 31, commit: 45, term, termFloor },
    connected: ["b:1", "c:1"],
  });
  const b = vanilla("b:1", [0, ...Array(59).fill(800)], 800);
  const c = vanilla("c:1", [0, ...Array(9).fill(800), ...Array(35).fill(term)], term);
  for (const peer of [b, c]) peer.version = "0.3.17";
  const campaign = () => {
    solo.timeOut();
    for (let turn = 0; turn < 40; turn += 1) {
      talk(solo, b, c);
      solo.tick(20);
    }
  };
  return { solo, campaign };
}

test("a stale leader of terms that a dump has taken from our log is overruled", () => {
  const { solo, campaign } = besideStale(800 + takenOverTermStep);
  campaign();
  assert.ok(!solo.notes().includes("gave-way"), solo.notes().join(", "));
  assert.ok(solo.state.isLeader);
});

test("where we know nothing of such terms it gets no vote, and shows by asking for one what to look for", () => {
  const { solo, campaign } = besideStale(0);
  campaign();
  assert.ok(solo.notes().includes("gave-way"), solo.notes().join(", "));
  solo.receive("b:1", requestVote(solo.state.term + 1, 60, 800));
  assert.deepEqual(solo.takeTo("b:1", "response_vote"), []);
  campaign();
  assert.ok(solo.state.isLeader, solo.notes().join(", "));
});
