import assert from "node:assert/strict";
import { test } from "node:test";
import { raftLimits } from "../../src/raft/limits.js";
import { answerOf, appendFrom, logOf, Solo } from "./solo.js";
import { requestVote } from "./vanilla-peers.js";
import { WiredCores } from "./wired-cores.js";

/** Histories in which one disk is lost, and nothing else: what was acknowledged has to stay. */

test("who must refetch does not vote before it holds all that the leader says is committed", () => {
  const solo = new Solo({ isNew: true, quorate: true });
  const [, ...entries] = logOf([0, 6, 6, 6, 6]);
  for (const peer of ["b:1", "c:1"]) solo.status(peer, { term: 6 });
  // The leader has committed up to 5 (with us, before we lost the disk); its first batch reaches to 3.
  solo.receive("b:1", appendFrom(6, [1, 0], entries.slice(0, 2), 5));
  assert.equal(solo.state.log.lastIndex, 3);
  assert.equal(solo.state.mustRefetch, true);
  solo.take();
  solo.receive("c:1", requestVote(7, 3, 6));
  assert.equal(solo.takeTo("c:1", "response_vote").length, 0);
});

test("of three, one loses its disk, and the leader is cut off amid bringing it up to date", () => {
  const ids = ["a:1", "m:1", "x:1"] as const;
  const net = new WiredCores(ids, { term: 5, log: [0, 1, 5], commit: 3 });
  const a = net.at("a:1");
  const x = net.at("x:1");
  a.timeOut();
  net.flow("a:1-m:1", "a:1-x:1");
  assert.ok(a.state.isLeader);
  net.break("a:1", "x:1");
  net.break("m:1", "x:1");
  for (let n = 0; n < 8; n += 1) {
    a.propose(`${n}`.repeat(40_000));
    net.flow("a:1-m:1");
  }
  const acknowledged = a.state.commitIndex;
  assert.equal(acknowledged, 12, "committed by a and m");
  // m's machine is gone, a new one takes its place. It reaches both others.
  net.cut.clear();
  net.cut.add("a:1-x:1");
  const m = net.loseDisk("m:1", ["a:1", "x:1"]);
  net.deliver("a:1>m:1");
  net.status("a:1", "m:1");
  net.status("x:1", "m:1");
  for (let i = 0; i < 200 && m.state.log.lastIndex < 6; i += 1) {
    if (!net.deliver("a:1>m:1") && !net.deliver("m:1>a:1")) a.tick(50);
  }
  // Now a is cut off (its disk is whole). The other two are left.
  net.break("a:1", "m:1");
  for (let i = 0; i < 10; i += 1) {
    m.timeOut();
    net.flow("m:1-x:1");
  }
  const other = [m, x].find((solo) => solo.state.isLeader);
  if (other !== undefined) other.propose("another at a place that is taken");
  net.flow("m:1-x:1");
  net.join("a:1", "m:1");
  net.join("a:1", "x:1");
  for (let i = 0; i < 20; i += 1) {
    m.tick(100);
    net.flow("a:1-m:1", "a:1-x:1", "m:1-x:1");
  }
  assert.equal(other, undefined, "a leader without entries that were acknowledged");
});

test("of five, one loses its disk while its vote is being counted", () => {
  const ids = ["a:1", "b:1", "c:1", "m:1", "x:1"] as const;
  const net = new WiredCores(ids, { term: 5, log: [0, 1, 5], commit: 3, applied: 1 });
  const [a, b, c, m, x] = ids.map((id) => net.at(id));
  assert.ok(a && b && c && m && x);
  // a is elected in term 6 by b and m; c and x hear of the term, not of its first entry.
  a.timeOut();
  const toAll = ["a:1>b:1", "a:1>c:1", "a:1>m:1", "a:1>x:1"];
  net.drain(...toAll);
  net.drain("b:1>a:1", "m:1>a:1");
  net.drain(...toAll);
  net.drain("b:1>a:1", "m:1>a:1");
  assert.deepEqual([a.state.isLeader, a.state.term, c.state.term, x.state.term], [true, 6, 6, 6]);
  net.break("a:1", "c:1");
  net.break("a:1", "x:1");
  net.break("b:1", "c:1");
  // c campaigns for term 7 and has m's vote. The request to x is slow.
  c.timeOut();
  net.drain("c:1>m:1", "c:1>x:1", "m:1>c:1", "x:1>c:1");
  net.drain("c:1>m:1", "m:1>c:1");
  assert.deepEqual(
    [c.state.role, c.state.term, m.state.votedFor, x.state.term],
    ["candidate", 7, "c:1", 6],
  );
  // m's machine is gone. A new one reaches a, b and x.
  const blank = net.loseDisk("m:1", ["a:1", "b:1", "x:1"]);
  net.flow("a:1-m:1");
  assert.ok(blank.state.forgotTerm, "it has met a leader");
  net.status("a:1", "m:1");
  net.status("b:1", "m:1");
  net.status("x:1", "m:1");
  a.propose("acknowledged?");
  for (let i = 0; i < 6; i += 1) {
    a.tick(100);
    net.flow("a:1-m:1", "a:1-b:1");
  }
  assert.ok(blank.state.forgotTerm, "c may have had its vote");
  // Only now c's request reaches x.
  net.drain("c:1>x:1", "x:1>c:1");
  assert.ok(c.state.isLeader, "the vote of the disk that is gone still counts");
  assert.ok(a.state.commitIndex <= 3, "nothing was committed that the new leader lacks");
});

test("of six, two lose their disks at once, and what they confirmed is held by two that are away", () => {
  const ids = ["a:1", "b:1", "c:1", "d:1", "m:1", "n:1"] as const;
  const net = new WiredCores(ids, { term: 5, log: [0, 1, 5], commit: 3, applied: 1 });
  const [a, b, c] = ids.map((id) => net.at(id));
  assert.ok(a && b && c);
  const toAll = ids.slice(1).map((id) => `a:1-${id}`);
  a.timeOut();
  net.flow(...toAll);
  assert.deepEqual([a.state.isLeader, a.state.term], [true, 6]);
  const before = a.state.commitIndex;
  for (const near of ["a:1", "b:1"]) for (const far of ids.slice(2)) net.break(near, far);
  for (let i = 0; i < 5 && !c.state.isLeader; i += 1) {
    c.timeOut();
    net.flow("c:1-d:1", "c:1-m:1", "c:1-n:1");
  }
  assert.deepEqual([c.state.isLeader, c.state.term], [true, 7]);
  c.propose("acknowledged");
  net.flow("c:1-d:1", "c:1-m:1", "c:1-n:1");
  assert.ok(c.state.commitIndex > before);
  // A majority keeps its disks: a, b, c and d. The first two have not heard of the newer leader.
  net.loseDisk("m:1", ["a:1", "b:1"]);
  net.loseDisk("n:1", ["a:1", "b:1", "m:1"]);
  for (const [of, to] of [
    ["a:1", "m:1"],
    ["a:1", "n:1"],
    ["b:1", "m:1"],
    ["n:1", "m:1"],
    ["b:1", "n:1"],
    ["m:1", "n:1"],
  ] as const) {
    net.status(of, to);
  }
  a.propose("another at a place that is taken");
  for (let i = 0; i < 6; i += 1) {
    a.tick(100);
    net.flow("a:1-b:1", "a:1-m:1", "a:1-n:1");
  }
  assert.equal(a.state.commitIndex, before, "committed beside what was acknowledged");
});

test("a leader with a slow disk does not count what a follower confirmed on an earlier link", () => {
  const solo = new Solo({
    log: [0, 1],
    term: 1,
    peers: ["b:1", "c:1"],
    connected: ["b:1"],
    quorate: true,
  });
  solo.lead();
  solo.receive("b:1", answerOf(4));
  const before = solo.state.commitIndex;
  solo.autoDisk = false;
  solo.propose("x");
  solo.receive("b:1", answerOf(5));
  // b confirmed entry 4, and comes back with an empty disk.
  solo.step({ kind: "disconnected", peer: "b:1" });
  solo.connect("b:1", true);
  solo.sync();
  assert.equal(solo.state.commitIndex, before, "nobody else holds it");
  // That it has got a piece of a large entry says nothing of what it holds.
  solo.receive("b:1", answerOf(2, { success: false }));
  assert.equal(solo.state.commitIndex, before);
  solo.receive("b:1", answerOf(2, { success: false, reset: true }));
  assert.equal(solo.state.commitIndex, before);
  solo.receive("b:1", answerOf(5));
  assert.equal(solo.state.commitIndex, 4);
});

test("of five, one loses its disk while another one is away for long: it goes on with the next write", () => {
  const ids = ["a:1", "b:1", "c:1", "m:1", "x:1"] as const;
  const net = new WiredCores(ids, { term: 5, log: [0, 1, 5], commit: 3, applied: 1 });
  const a = net.at("a:1");
  a.timeOut();
  net.flow(...ids.slice(1).map((id) => `a:1-${id}`));
  for (const id of ids) if (id !== "c:1") net.break("c:1", id);
  a.propose("before");
  // Neither b nor x has that entry when the new machine asks: it may be in the log of whom the old one elects.
  const m = net.loseDisk("m:1", ["a:1", "b:1", "x:1"]);
  for (const id of ["a:1", "b:1", "x:1"]) net.status(id, "m:1");
  const others = ["a:1-b:1", "a:1-x:1"];
  for (let i = 0; i < 3; i += 1) {
    a.tick(100);
    net.flow("a:1-m:1", ...others);
  }
  assert.deepEqual([a.state.commitIndex, m.state.forgotTerm], [5, true]);
  a.propose("after");
  for (let i = 0; i < 5; i += 1) {
    net.flow("a:1-m:1", ...others);
    a.tick(100);
  }
  assert.deepEqual([m.state.log.lastIndex, m.state.mustRefetch], [6, false]);
});

test("that a leader has committed meanwhile counts in its own term only, and of a question since our start", () => {
  for (const [term, leader, follows] of [
    [5, "b:1", true],
    [4, "b:1", false],
    [5, "c:1", false],
  ] as const) {
    const solo = new Solo({ isNew: true, quorate: true });
    solo.status("b:1", { term, leader, lastIndex: 2 });
    const [, ...entries] = logOf([0, 1, 5]);
    solo.receive("b:1", appendFrom(5, [1, 0], entries, 2));
    assert.equal(solo.state.log.lastIndex, 1);
    solo.receive("b:1", appendFrom(5, [1, 0], entries, 3));
    assert.equal(solo.state.log.lastIndex, follows ? 3 : 1);
  }
});

test("a follower that has long followed nobody is sent entries once it answers", () => {
  const solo = new Solo({ log: [0, 1], term: 1, quorate: true });
  solo.lead();
  // Its disk is gone, and it follows nobody before it has heard from a member that is away.
  for (let beat = 0; beat < 2 * raftLimits.inFlightMessagesMax; beat += 1) {
    solo.receive("b:1", answerOf(4));
    solo.tick(100);
  }
  solo.take();
  solo.receive("c:1", answerOf(2, { success: false, reset: true }));
  const sent: number[] = [];
  for (let beat = 0; beat < 3; beat += 1) {
    for (const { prevLogIdx, entries } of solo.takeTo("c:1", "append_entries")) {
      sent.push(...entries.map(({ index }) => index));
      solo.receive("c:1", answerOf((prevLogIdx ?? 0) + entries.length + 1));
    }
    solo.tick(100);
  }
  assert.deepEqual(sent, [2, 3]);
});
