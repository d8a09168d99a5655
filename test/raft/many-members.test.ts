import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeMembership } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import { failReason } from "../../protocol/wire/messages.js";
import { raftLimits } from "../../src/raft/limits.js";
import { follower, leader, outcomes, refused } from "./roles.js";
import { appendFrom, entry, Solo } from "./solo.js";

const address = (n: number): string => `10.0.${Math.trunc(n / 250)}.${n % 250}:1`;

const change = (index: number, what: "add" | "rem", n: number): Entry => ({
  ...{ index, term: 1, command: encodeMembership(what, address(n)) },
});

function additions(count: number, from = 3): Entry[] {
  return Array.from({ length: count }, (_, n) => change(from + n, "add", n));
}

test("however many entries change the members, they are told once", () => {
  const solo = follower({ log: [0, 1], commit: 2 });
  const effects = solo.receive("b:1", appendFrom(1, [2, 1], additions(100)));
  const told = effects.filter(({ kind }) => kind === "members");
  assert.equal(told.length, 1);
  assert.equal(solo.state.members.size, 102);
});

test("a leader's entries that make more members than any cluster has are not taken", () => {
  const solo = follower({ log: [0, 1], commit: 2 });
  const { lastIndex } = solo.state.log;
  solo.receive("b:1", appendFrom(1, [2, 1], additions(2_000), 2_002));
  assert.deepEqual([solo.state.members.size, solo.state.log.lastIndex], [2, lastIndex]);
  assert.ok(solo.notes().includes("members-too-many"));
  // Nor where each goes again at once: it is still heard, and dialed, until that is committed.
  const pairs = Array.from({ length: 2_000 }, (_, n) =>
    change(3 + n, n % 2 === 0 ? "add" : "rem", Math.trunc(n / 2)),
  );
  for (
    let next = lastIndex + 1, round = 0;
    round < 9;
    next = solo.state.log.lastIndex + 1, round += 1
  )
    solo.receive("b:1", appendFrom(1, [next - 1, 1], pairs.slice(next - 3)));
  const { members, guests } = solo.state;
  assert.ok(members.size + guests.size < raftLimits.knownMembersMax);
});

test("nor in message after message", () => {
  const solo = follower({ log: [0, 1], commit: 2 });
  for (let at = 3; at < 1_000; at += 50) {
    const entries = Array.from({ length: 50 }, (_, n) => change(at + n, "add", at + n));
    const prev = solo.state.log.lastIndex;
    solo.receive("b:1", appendFrom(1, [prev, 1], entries, prev));
  }
  assert.ok(solo.state.members.size < raftLimits.knownMembersMax);
});

test("another leader's entries in the place of such ones are taken", () => {
  const solo = follower({ log: [0, 1], commit: 2 });
  solo.receive("b:1", appendFrom(1, [2, 1], additions(raftLimits.knownMembersMax - 3)));
  assert.equal(solo.state.members.size, raftLimits.knownMembersMax - 1);
  const honest = [{ ...change(3, "add", 999), term: 2 }, entry(4, 2)];
  solo.receive("c:1", appendFrom(2, [2, 1], honest, 4));
  assert.deepEqual([...solo.state.members], ["b:1", "c:1", address(999)]);
});

test("a leader lets in no more than a cluster needs", () => {
  const peers = Array.from({ length: raftLimits.membersMax - 2 }, (_, n) => address(n));
  const solo = leader({ peers });
  solo.propose(encodeMembership("add", "d:1"));
  assert.equal(solo.state.members.size, raftLimits.membersMax - 1);
  const full = leader({ peers: [...peers, "d:1"] });
  assert.deepEqual(outcomes(full.propose(encodeMembership("add", "e:1"), 1)), [
    refused(failReason.requestDenied),
  ]);
  assert.ok(full.notes().includes("members-too-many"));
});

test("a dump that names as many is not taken, nor is a status", () => {
  const solo = follower({ log: [0, 1], commit: 2 });
  const members = Array.from({ length: raftLimits.knownMembersMax + 1 }, (_, n) => address(n));
  const summary = { previous: entry(8, 1), last: entry(9, 1), members };
  const effects = solo.step({ kind: "snapshot-received", from: "b:1", term: 1, summary });
  assert.ok(effects.some(({ kind }) => kind === "discard-snapshot"));
  assert.ok(solo.notes().includes("dump-forged"));
  const emptied = new Solo({ peers: ["b:1"], mustRefetch: true, forgotTerm: true });
  emptied.status("b:1", { partners: members, lastIndex: 5 });
  emptied.receive("b:1", appendFrom(1, [1, 0]));
  assert.deepEqual([...emptied.state.members], ["b:1"]);
});

test("who knows of more than that already takes what changes nothing of it, and no more of them", () => {
  const peers = [
    "b:1",
    ...Array.from({ length: raftLimits.knownMembersMax - 1 }, (_, n) => address(n)),
  ];
  const solo = follower({ peers, log: [0, 1], commit: 2 });
  assert.equal(solo.state.members.size + 1, raftLimits.knownMembersMax + 1);
  solo.receive("b:1", appendFrom(1, [2, 1], [entry(3, 1)]));
  assert.equal(solo.state.log.lastIndex, 3);
  solo.receive("b:1", appendFrom(1, [3, 1], [change(4, "add", 999)]));
  assert.equal(solo.state.log.lastIndex, 3);
  assert.deepEqual(
    solo.notes().filter((code) => code === "members-too-many"),
    ["members-too-many"],
  );
});

test("what a dump holds of the changes is not kept", () => {
  const solo = follower({ log: [0, 1], commit: 2 });
  solo.receive("b:1", appendFrom(1, [2, 1], additions(100), 102));
  assert.equal(solo.state.membership.uncommitted(0).length, 100);
  solo.step({ kind: "dump-written", previousIndex: 101 });
  assert.equal(solo.state.membership.uncommitted(0).length, 2);
});

test("who goes and comes back within one step gets a new link", () => {
  const solo = follower({ log: [0, 1], commit: 2 });
  solo.receive("b:1", appendFrom(1, [2, 1], [change(3, "add", 7)]));
  solo.connect(address(7), true);
  assert.ok(solo.state.connected.has(address(7)));
  const honest = [entry(3, 2), { ...change(4, "add", 7), term: 2 }];
  const effects = solo.receive("c:1", appendFrom(2, [2, 1], honest, 3));
  const told = effects.flatMap((effect) => (effect.kind === "members" ? [effect.members] : []));
  assert.deepEqual(told, [
    ["b:1", "c:1"],
    ["b:1", "c:1", address(7)],
  ]);
  assert.ok(!solo.state.connected.has(address(7)), "until its link is there");
});
