import assert from "node:assert/strict";
import { test } from "node:test";
import { raftLimits } from "../../src/raft/limits.js";
import { follower } from "./roles.js";
import { SimCluster } from "./sim-cluster.js";
import { appendFrom, entry, Solo } from "./solo.js";

test("a term that no cluster can have reached is refused, whatever names it", () => {
  for (const term of [3 + raftLimits.termStepMax, Number.MAX_SAFE_INTEGER]) {
    const solo = follower({ log: [0, 1, 2], term: 2, commit: 3 });
    solo.receive("b:1", { type: "request_vote", term, lastLogIndex: 9, lastLogTerm: 2 });
    solo.receive("b:1", appendFrom(term, [3, 2]));
    solo.receive("b:1", { type: "timeout_now", term });
    assert.equal(solo.state.term, 2);
    assert.ok(solo.notes().includes("term-beyond-reach"));
    solo.receive("b:1", appendFrom(2, [3, 2]));
    assert.equal(solo.state.leader, "b:1");
  }
});

test("the largest step that is believed is taken", () => {
  const solo = follower({ log: [0, 1, 2], term: 2, commit: 3 });
  const term = 2 + raftLimits.termStepMax;
  solo.receive("b:1", { type: "request_vote", term, lastLogIndex: 9, lastLogTerm: 2 });
  assert.equal(solo.state.term, term);
});

test("a term that none can have is refused in entries, dumps and answers as well: ours goes up to them", () => {
  const far = raftLimits.termTakenMax + 1;
  const solo = follower({ log: [0, 1, 2], term: 2, commit: 3 });
  solo.receive("b:1", appendFrom(2, [3, 2], [{ ...entry(4, 2), term: far }], 4));
  assert.deepEqual([solo.state.term, solo.state.log.lastIndex], [2, 3]);
  for (const terms of [
    { previous: 2, last: far },
    { previous: far, last: far },
  ]) {
    const summary = {
      previous: entry(8, terms.previous),
      last: entry(9, terms.last),
      members: ["a:1", "b:1", "c:1"],
    };
    const effects = solo.step({ kind: "snapshot-received", from: "b:1", term: 2, summary });
    assert.ok(effects.some(({ kind }) => kind === "discard-snapshot"));
  }
  assert.equal(solo.state.log.lastIndex, 3);
  solo.status("c:1", { term: Number.MAX_SAFE_INTEGER });
  assert.equal(solo.state.peers.get("c:1")?.status ?? null, null);
  assert.equal(solo.state.term, raftLimits.termToldMax);
  assert.equal(solo.notes().filter((code) => code === "term-beyond-reach").length, 4);
});

const { termStepMax, termToldMax, termSmallStepMax, termToldStepMax, termMax } = raftLimits;

function askForVote(term: number) {
  return { type: "request_vote", term, lastLogIndex: 9, lastLogTerm: 2 } as const;
}

test("a few forged terms do not use up all numbers", () => {
  const solo = follower({ log: [0, 1, 2], term: 2, commit: 3 });
  solo.status("c:1", { term: termToldMax });
  const from = solo.state.term;
  for (let n = 0; n < 100; n += 1) {
    solo.receive("c:1", askForVote(solo.state.term + termStepMax));
    solo.receive("c:1", askForVote(Number.MAX_SAFE_INTEGER));
    solo.receive("c:1", askForVote(solo.state.term + termSmallStepMax));
    solo.nowMs += 1_000;
    solo.status("c:1", { term: Number.MAX_SAFE_INTEGER });
  }
  assert.ok(solo.state.term > from);
  assert.ok(solo.state.term <= from + 100 * (termSmallStepMax + termToldStepMax));
});

test("up to half of all numbers a member that has taken over PySyncObj's files is believed", () => {
  for (const term of [2, 2 ** 40, termToldMax - 1]) {
    const solo = follower({ log: [0, 1, 2], term, commit: 3 });
    solo.receive("b:1", askForVote(term + 2 ** 21));
    assert.equal(solo.state.term, term + 2 ** 21);
  }
});

test("members that small steps have driven apart beyond half of all numbers elect a leader again", () => {
  const term = termToldMax;
  const ids = ["a:1", "b:1", "c:1"];
  const cluster = new SimCluster({ seed: 1, members: ids });
  for (const id of ids) cluster.crash(id);
  for (const id of ids) cluster.member(id).disk.term = term;
  for (const id of ids) cluster.start(id);
  cluster.calm(5_000);
  assert.notEqual(cluster.leader(), null);
  for (let n = 0; n < 500; n += 1) {
    // Terms that wait for the disk have others refused.
    if (n % 20 === 0) cluster.calm(10);
    const { state } = cluster.member("a:1").core ?? {};
    const message = askForVote((state?.term ?? 0) + termSmallStepMax);
    cluster.step("a:1", { kind: "message", from: "b:1", message });
  }
  assert.ok((cluster.member("a:1").core?.state.term ?? 0) > term + 300 * termSmallStepMax);
  cluster.calm(30_000);
  assertFollowed(cluster);
});

test("at the end of all numbers nobody campaigns, and it is said", () => {
  for (const quorate of [true, false]) {
    for (const term of [termMax, Number.MAX_SAFE_INTEGER]) {
      const solo = new Solo({ quorate, log: [0, 1, 2], term, commit: 3 });
      for (let n = 0; n < 5; n += 1) {
        solo.nowMs += 3_000;
        solo.tick();
        for (const peer of ["b:1", "c:1"]) {
          solo.status(peer, { term });
          solo.receive(peer, {
            ...{ type: "quorate_pre_vote_answer", term: term + 1, granted: true },
            ...{ hearsLeader: false, commitIndex: 3, commitTerm: 2 },
          });
          solo.receive(peer, askForVote(2));
        }
      }
      solo.receive("b:1", { type: "timeout_now", term });
      solo.receive("b:1", appendFrom(term, [3, 2]));
      solo.receive("c:1", appendFrom(term, [3, 2]));
      assert.equal(solo.state.term, term);
      assert.ok(solo.notes().includes("term-beyond-reach"));
    }
    const solo = new Solo({ quorate, log: [0, 1, 2], term: termMax, commit: 3 });
    solo.receive("b:1", askForVote(termMax + 1));
    assert.equal(solo.state.term, termMax);
  }
});

test("a member whose term is far ahead is asked, and what it answers itself is believed", () => {
  const far = 2 ** 40;
  const solo = new Solo();
  solo.nowMs = 1_000;
  solo.receive("b:1", appendFrom(far, [1, 0], [{ ...entry(2, 1), term: far - 1 }], 2));
  assert.equal(solo.state.term, 0, "not by its message");
  assert.deepEqual(solo.takeAsked(), ["b:1"]);
  solo.status("b:1", { term: far, leader: "b:1" });
  assert.deepEqual([solo.state.term, solo.state.votedFor], [far, null]);
  assert.ok(solo.notes().includes("term-leap"));
  solo.receive("b:1", appendFrom(far, [1, 0], [{ ...entry(2, 1), term: far - 1 }], 2));
  assert.deepEqual([solo.state.leader, solo.state.log.lastIndex], ["b:1", 2]);
});

test("messages in one member's name, however many, keep no other one from being asked", () => {
  const far = 2 ** 40;
  const solo = new Solo();
  const vote = { type: "request_vote", term: far, lastLogIndex: 9, lastLogTerm: 2 } as const;
  let forged = 0;
  for (solo.nowMs = 1_000; solo.nowMs < 2_000; solo.nowMs += 10) {
    solo.receive("b:1", vote);
    forged += solo.takeAsked().length;
  }
  assert.equal(forged, 2, "one question in half a second");
  solo.receive("b:1", vote);
  assert.deepEqual(solo.takeAsked(), ["b:1"]);
  solo.receive("c:1", vote);
  assert.deepEqual(solo.takeAsked(), ["c:1"]);
});

test("whoever is no member is neither asked nor believed", () => {
  const solo = new Solo({ members: ["c:1"], guests: ["b:1"] });
  solo.nowMs = 1_000;
  solo.receive("b:1", { type: "request_vote", term: 2 ** 40, lastLogIndex: 9, lastLogTerm: 2 });
  assert.deepEqual(solo.takeAsked(), []);
  solo.status("b:1", { term: 2 ** 40 });
  assert.equal(solo.state.term, 0);
});

/** Requests for votes in another one's name, each one step further. */
function forge(cluster: SimCluster, to: string, from: string, steps: number): void {
  for (let step = 0; step < steps; step++) {
    const { state } = cluster.member(to).core ?? {};
    const term = (state?.term ?? 0) + raftLimits.termStepMax;
    const message = { type: "request_vote", term, lastLogIndex: 1, lastLogTerm: 0 } as const;
    cluster.step(to, { kind: "message", from, message });
  }
}

test("members that forged terms have driven far apart elect a leader again", () => {
  const cluster = new SimCluster({ seed: 1, members: ["a:1", "b:1", "c:1"] });
  cluster.calm(5_000);
  assert.notEqual(cluster.leader(), null);
  forge(cluster, "a:1", "b:1", 2);
  forge(cluster, "b:1", "a:1", 4);
  cluster.calm(15_000);
  assertFollowed(cluster);
});

test("a member that was away while the others' term leapt follows again", () => {
  const cluster = new SimCluster({ seed: 2, members: ["a:1", "b:1", "c:1"] });
  cluster.calm(5_000);
  cluster.crash("c:1");
  for (const _ of [1, 2]) {
    forge(cluster, "a:1", "b:1", 1);
    cluster.calm(5_000);
  }
  cluster.start("c:1");
  cluster.calm(5_000);
  assertFollowed(cluster);
  cluster.crash(cluster.leader() ?? "");
  cluster.calm(10_000);
  assert.notEqual(cluster.leader(), null, "the two that are left are a majority");
});

function assertFollowed(cluster: SimCluster): void {
  const leader = cluster.leader();
  assert.notEqual(leader, null);
  for (const { core } of cluster.members.values()) {
    const state = core?.state;
    assert.equal(state?.role === "leader" ? state.selfId : state?.leader, leader);
  }
}

test("a collapsed leader's entries of higher terms are taken", () => {
  const solo = follower({ log: [0, 1], term: 1, commit: 2 });
  solo.receive("b:1", appendFrom(1, [2, 1], [entry(3, 7)], 3));
  assert.deepEqual([solo.state.term, solo.state.log.lastIndex], [7, 3]);
});

test("a dump that ends where no log comes to is not taken", () => {
  const solo = follower({ log: [0, 1, 2], term: 2, commit: 3 });
  const index = raftLimits.unreachableIndex;
  const summary = { previous: entry(index - 1, 2), last: entry(index, 2), members: ["a:1"] };
  const effects = solo.step({ kind: "snapshot-received", from: "b:1", term: 2, summary });
  assert.ok(effects.some(({ kind }) => kind === "discard-snapshot"));
  assert.ok(solo.notes().includes("dump-forged"));
});

test("terms that rise faster than the disk stores them have to wait, and no longer than that", () => {
  const solo = follower({ log: [0, 1, 2], term: 2, commit: 3 });
  const [lastLogIndex, lastLogTerm] = [9, 2];
  solo.autoDisk = false;
  for (let term = 3; term < 1_000; term++)
    solo.receive("b:1", { type: "request_vote", term, lastLogIndex, lastLogTerm });
  assert.ok(
    solo.all("meta").length <= raftLimits.ballotsWaitingMax + 1,
    "a term, and a vote in it",
  );
  assert.ok(solo.notes().includes("terms-wait-for-disk"));
  assert.deepEqual(solo.take(), [], "no vote leaves before it is durable");
  const { term } = solo.state;
  solo.receive("b:1", { type: "request_vote", term, lastLogIndex, lastLogTerm });
  assert.equal(solo.state.votedFor, "b:1");
  solo.sync();
  assert.equal(solo.takeTo("b:1", "response_vote").at(-1)?.term, term);
  solo.receive("c:1", appendFrom(term + 1, [3, 2]));
  assert.deepEqual([solo.state.term, solo.state.leader], [term + 1, "c:1"]);
});

test("while terms wait for the disk nobody is lifted to one that he may have voted in", () => {
  const solo = new Solo({ log: [0, 1, 2], term: 2, commit: 3 });
  solo.autoDisk = false;
  for (let term = 3; term < 1_000; term++)
    solo.receive("b:1", { type: "request_vote", term, lastLogIndex: 2, lastLogTerm: 1 });
  assert.ok(solo.state.isBehindWithTerms);
  const lift = { type: "request_vote", term: 1, lastLogIndex: 9, lastLogTerm: 2 } as const;
  solo.receive("c:1", lift);
  solo.sync();
  assert.deepEqual(solo.takeTo("c:1", "request_vote"), []);
  solo.receive("c:1", lift);
  solo.sync();
  assert.deepEqual(
    solo.takeTo("c:1", "request_vote").map(({ term }) => term),
    [solo.state.term],
  );
});

test("nor do they rise by two that say they lead one term, however often", () => {
  const solo = follower({ log: [0, 1, 2], term: 2, commit: 3 });
  solo.autoDisk = false;
  for (let round = 0; round < 1_000; round++) {
    for (const peer of ["b:1", "c:1"]) solo.receive(peer, appendFrom(solo.state.term, [3, 2]));
  }
  assert.ok(solo.all("meta").length <= raftLimits.ballotsWaitingMax + 1);
});

test("the term goes up with the others' while the disk is full, which would elect nobody otherwise", () => {
  const solo = follower({ log: [0, 1, 2], term: 2, commit: 3 });
  solo.step({ kind: "disk", usable: false });
  solo.autoDisk = false;
  for (let term = 3; term < 200; term += 1)
    solo.receive("b:1", { type: "request_vote", term, lastLogIndex: 9, lastLogTerm: 2 });
  assert.deepEqual([solo.state.term, solo.state.shownBallot.term], [199, 199]);
});
