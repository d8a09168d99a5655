import assert from "node:assert/strict";
import { test } from "node:test";
import type { Input } from "../../src/raft/types.js";
import { follower } from "./roles.js";
import { appendFrom, entry, type Solo, type SoloOptions } from "./solo.js";

/* Members that do not campaign know, as all others do, when they hear no leader any more: only who has none asks who the members are. */

const barred: readonly { readonly options?: SoloOptions; readonly input?: Input }[] = [
  { options: { mustRefetch: true } },
  { input: { kind: "held-back", isHeldBack: true } },
  { input: { kind: "disk", usable: false } },
];

function scenes(): Solo[] {
  return barred.map(({ options = {}, input }) => {
    const solo = follower(options);
    if (input !== undefined) solo.step(input);
    assert.equal(solo.state.leader, "b:1");
    return solo;
  });
}

test("a leader that is silent for too long is none, also for a member that does not campaign", () => {
  for (const solo of scenes()) {
    solo.step({ kind: "disconnected", peer: "b:1" });
    solo.timeOut();
    assert.deepEqual([solo.state.leader, solo.state.role, solo.state.term], [null, "follower", 1]);
    solo.connect("b:1", true);
    const { lastIndex, lastTerm } = solo.state.log;
    solo.receive("b:1", appendFrom(1, [lastIndex, lastTerm]));
    assert.equal(solo.state.leader, "b:1");
  }
});

test("one that asks such a member to take over is there, and stays its leader", () => {
  for (const solo of scenes()) {
    solo.receive("b:1", { type: "timeout_now", term: 1 });
    assert.equal(solo.state.leader, "b:1");
  }
});

test("the dump of a leader that has become silent meanwhile is taken", () => {
  const solo = follower({ mustRefetch: true });
  solo.timeOut();
  assert.equal(solo.state.leader, null);
  const summary = { previous: entry(8, 1), last: entry(9, 1), members: ["a:1", "b:1", "c:1"] };
  solo.step({ kind: "snapshot-received", from: "b:1", term: 1, summary });
  assert.equal(solo.state.log.lastIndex, 9);
});

test("that it is too large for us is kept as well: nobody has it sent again at once", () => {
  const solo = follower({ mustRefetch: true });
  solo.timeOut();
  assert.equal(solo.state.leader, null);
  const refused = { kind: "snapshot-refused", from: "b:1", term: 1, bytesMax: 1_000 } as const;
  solo.step({ ...refused, fixed: null });
  assert.deepEqual([solo.state.tooLarge?.what, solo.state.tooLarge?.leader], ["dump", "b:1"]);
});
