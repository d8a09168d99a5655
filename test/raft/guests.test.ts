import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { encodeMembership } from "../../protocol/log/commands.js";
import { follower } from "./roles.js";
import { appendFrom, entry, logOf, Solo } from "./solo.js";
import { requestVote } from "./vanilla-peers.js";
import { WiredCores } from "./wired-cores.js";

/** A removal takes effect where it is appended, and may be undone: by a leader whom it takes out. */
suite("a member that an uncommitted entry takes out", () => {
  const removal = { index: 3, term: 2, command: encodeMembership("rem", "b:1") };

  /** It had led term 2 alone, and taken b out; b and c have elected b meanwhile. */
  function cutOff(): Solo {
    const entries = [...logOf([0, 1]), removal];
    const solo = new Solo({ entries, term: 2, commit: 2, applied: 2, quorate: true });
    assert.deepEqual([...solo.state.members], ["c:1"]);
    return solo;
  }

  test("is followed where it leads a later term, and is a member again", () => {
    const solo = cutOff();
    const effects = solo.receive("b:1", appendFrom(3, [2, 1], [entry(3, 3)], 3));
    assert.equal(solo.state.leader, "b:1");
    assert.deepEqual([...solo.state.members].sort(), ["b:1", "c:1"]);
    assert.deepEqual([...solo.state.guests], []);
    assert.equal(solo.state.commitIndex, 3);
    assert.ok(!effects.some((effect) => effect.kind === "halt"));
  });

  test("has our vote where nobody else leads, and is not counted for us", () => {
    const solo = cutOff();
    solo.tick(500);
    solo.receive("b:1", requestVote(3, 3, 3));
    assert.equal(solo.takeTo("b:1", "response_vote").length, 1);
  });

  test("does not unseat the leader that is about to commit that", () => {
    const net = new WiredCores(["a:1", "b:1", "c:1"], {
      ...{ term: 1, log: [0, 1], commit: 2, applied: 2 },
    });
    const leader = net.at("a:1");
    leader.timeOut();
    net.flow("a:1-b:1", "a:1-c:1");
    leader.step({ kind: "applied", index: leader.state.commitIndex });
    leader.propose(encodeMembership("rem", "b:1"), 1);
    assert.deepEqual([...leader.state.guests], ["b:1"]);
    const { term } = leader.state;
    leader.receive("b:1", requestVote(term + 1, 9, term));
    assert.ok(leader.state.isLeader);
    assert.equal(leader.state.term, term);
    net.flow("a:1-c:1");
    assert.deepEqual([...leader.state.guests], [], "it is committed: b is nobody to us");
    const last = leader.effects.findLast((effect) => effect.kind === "members");
    assert.ok(last?.kind === "members");
    assert.deepEqual([last.members, last.guests], [["c:1"], []]);
  });
});

suite("whoever has lost its files", () => {
  const lost = { mustRefetch: true, forgotTerm: true, log: [0], quorate: true };

  test("hears those as well that only its configuration names, before it follows anybody", () => {
    const options = { ...lost, peers: ["b:1", "c:1"], members: ["b:1"], guests: ["c:1"] };
    const solo = new Solo(options);
    const append = appendFrom(5, [1, 0], [entry(2, 5)], 2);
    solo.receive("b:1", append);
    solo.status("b:1", { term: 5, partners: ["a:1"] });
    solo.receive("b:1", append);
    assert.equal(solo.state.leader, null);
    solo.status("c:1", { term: 7 });
    solo.receive("b:1", append);
    assert.equal(solo.state.leader, null, "c is in term 7: b leads nobody any more");
    solo.receive("b:1", { ...append, term: 7 });
    assert.equal(solo.state.leader, "b:1");
    assert.deepEqual([...solo.state.guests], [], "the members are known now");
  });

  test("stays with the leader whose dump is older than the entry that let it in", () => {
    const solo = new Solo({ ...lost, forgotTerm: false, peers: ["b:1", "c:1"] });
    solo.receive("c:1", { ...appendFrom(5, [40, 5]), commitIndex: 45 });
    solo.step({
      kind: "snapshot-received",
      from: "c:1",
      term: 5,
      summary: { previous: entry(29, 5), last: entry(30, 5), members: ["a:1", "b:1"] },
    });
    assert.deepEqual([[...solo.state.members], [...solo.state.guests]], [["b:1"], ["c:1"]]);
    assert.ok(solo.state.connected.has("c:1"));
  });
});

suite("a member that our files do not know, and a running member told us of", () => {
  const files = { peers: ["b:1", "c:1", "d:1"], members: ["b:1", "c:1"], guests: ["d:1"] };
  const told = { ...files, log: [0, 1], term: 1, commit: 2, applied: 2, quorate: true };

  test("is followed", () => {
    const solo = new Solo(told);
    solo.receive("d:1", appendFrom(5, [2, 1], [entry(3, 5)], 3));
    assert.equal(solo.state.leader, "d:1");
    assert.equal(solo.state.commitIndex, 3);
  });

  test("becomes a member by the log, on the link that it has", () => {
    const solo = new Solo(told);
    const added = { index: 3, term: 5, command: encodeMembership("add", "d:1") };
    solo.receive("d:1", appendFrom(5, [2, 1], [added], 3));
    assert.deepEqual([...solo.state.members].sort(), ["b:1", "c:1", "d:1"]);
    assert.ok(solo.state.connectedMembers().includes("d:1"));
  });

  test("is no part of a majority", () => {
    const solo = new Solo(told);
    solo.timeOut();
    assert.equal(solo.state.majority, 2);
    solo.receive("d:1", { type: "response_vote", term: solo.state.term });
    assert.ok(!solo.state.isLeader);
  });

  test("is not heard where we are a follower that hears its leader", () => {
    const solo = follower({ ...files, log: [0, 1] });
    solo.receive("d:1", requestVote(7, 9, 7));
    assert.equal(solo.state.term, 1);
  });
});
