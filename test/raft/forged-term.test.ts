import assert from "node:assert/strict";
import { test } from "node:test";
import { raftLimits } from "../../src/raft/limits.js";
import { follower } from "./roles.js";
import { appendFrom } from "./solo.js";

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
