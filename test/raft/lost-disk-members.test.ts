import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeMembership } from "../../protocol/log/commands.js";
import { appendFrom, logOf, Solo } from "./solo.js";
import { requestVote } from "./vanilla-peers.js";
import { WiredCores } from "./wired-cores.js";

/** Who has lost its files does not know who the members are: configuration and discovery can be incomplete. */

const [, ...entries] = logOf([0, 1, 5]);
const fromLeader = appendFrom(5, [1, 0], entries, 3);

test("a removal that is not committed takes nobody out of those that have to be heard", () => {
  const ids = ["a:1", "m:1", "x:1"] as const;
  const net = new WiredCores(ids, { term: 5, log: [0, 1, 5], commit: 3 });
  const a = net.at("a:1");
  const x = net.at("x:1");
  a.timeOut();
  net.flow("a:1-m:1", "a:1-x:1");
  assert.deepEqual([a.state.isLeader, a.state.commitIndex], [true, 4]);
  // a is cut off, and is asked to remove x; the other two elect x and go on.
  net.break("a:1", "m:1");
  net.break("a:1", "x:1");
  a.propose(encodeMembership("rem", "x:1"));
  for (let i = 0; i < 5 && !x.state.isLeader; i += 1) {
    x.timeOut();
    net.flow("m:1-x:1");
  }
  x.propose("acknowledged");
  net.flow("m:1-x:1");
  assert.equal(x.state.commitIndex, 6);
  // m's machine is gone. The new one reaches a alone, which names the members.
  const m = net.loseDisk("m:1", ["a:1"], { peers: ["a:1"], areMembersTold: true });
  net.status("a:1", "m:1");
  a.propose("another at a place that is taken");
  for (let i = 0; i < 6; i += 1) {
    a.tick(100);
    net.flow("a:1-m:1");
  }
  assert.equal(a.state.commitIndex, 4, "committed beside what was acknowledged");
  assert.ok(m.state.forgotTerm && m.state.members.has("x:1"));
});

test("who waits for a member that is removed meanwhile goes on without it", () => {
  const solo = new Solo({ isNew: true, peers: ["b:1", "c:1", "d:1", "e:1"] });
  solo.status("b:1", { term: 5, partners: ["a:1", "c:1", "d:1", "e:1"] });
  for (const peer of ["c:1", "d:1"]) solo.status(peer, { term: 5 });
  solo.receive("b:1", fromLeader);
  assert.deepEqual([solo.state.forgotTerm, solo.state.log.lastIndex], [true, 1]);
  solo.nowMs += 1_000;
  solo.receive("b:1", fromLeader);
  assert.ok(solo.takeAsked().includes("b:1"));
  solo.status("b:1", { term: 5, partners: ["a:1", "c:1", "d:1"] });
  solo.receive("b:1", fromLeader);
  assert.deepEqual([solo.state.forgotTerm, solo.state.log.lastIndex], [false, 3]);
});

test("who is configured with one of two others hears of the second, and waits for it", () => {
  const solo = new Solo({ isNew: true, peers: ["b:1"] });
  solo.receive("b:1", fromLeader);
  assert.equal(solo.state.log.lastIndex, 1, "nobody has said that they are two");
  solo.status("b:1", { term: 5, commitIndex: 3, partners: ["a:1", "c:1"] });
  assert.deepEqual([...solo.state.members].sort(), ["b:1", "c:1"]);
  solo.take();
  solo.receive("b:1", fromLeader);
  solo.receive("b:1", requestVote(6, 3, 5));
  assert.deepEqual([solo.state.log.lastIndex, solo.state.mustRefetch], [1, true]);
  assert.equal(solo.takeTo("b:1", "response_vote").length, 0);
  solo.connect("c:1");
  solo.status("c:1", { term: 5, partners: ["a:1", "b:1"] });
  solo.receive("b:1", appendFrom(6, [1, 0], entries, 3));
  assert.equal(solo.state.log.lastIndex, 3);
});

test("with its term lost, too, the leader has to say who the members are", () => {
  const solo = new Solo({ mustRefetch: true, forgotTerm: true, peers: ["b:1"] });
  solo.receive("b:1", fromLeader);
  assert.ok(solo.state.forgotTerm);
  solo.status("b:1", { term: 5, partners: ["a:1", "c:1"] });
  solo.receive("b:1", fromLeader);
  assert.ok(solo.state.forgotTerm, "the third has not told its term");
});

test("neither a vote nor a pre-vote before the only other one has said that they are two", () => {
  for (const partners of [["a:1"], ["a:1", "c:1"]]) {
    const solo = new Solo({ isNew: true, peers: ["b:1"], quorate: true });
    const votes = () => {
      const last = { lastLogIndex: 7, lastLogTerm: 3 };
      solo.receive("b:1", requestVote(4, 7, 3));
      solo.receive("b:1", { type: "quorate_pre_vote", term: 5, ...last });
      const left = solo.take().map(({ message }) => message);
      return left.map((message) => ("granted" in message ? message.granted : message.type));
    };
    assert.deepEqual(votes(), [false]);
    // A status of before its first commit, as a covered vote would take it.
    solo.status("b:1", { partners });
    const expected = partners.length === 1 ? ["response_vote", true] : [false];
    assert.deepEqual(votes(), expected, "the vote that was asked for is given when it has said so");
  }
});
