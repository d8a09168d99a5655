import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { raftLimits } from "../../src/raft/limits.js";
import { Solo } from "./solo.js";

/* Status questions travel on connections of their own: an answer may come when it is out of date. */

/** Without the beacons: these have no log. */
function requests(solo: Solo): unknown[] {
  return solo.takeTo("b:1", "request_vote").filter(({ lastLogIndex }) => lastLogIndex > 0);
}

suite("late answers", () => {
  test("a late answer to a question of an earlier link is no term that went back", () => {
    const solo = new Solo({ log: [0, 1, 1, 1, 1, 1, 6, 6], term: 6, commit: 7 });
    const asked = solo.questionTo("b:1");
    // b answers in term 5, and the answer is on its way while b asks for votes in term 6.
    solo.receive("b:1", { type: "request_vote", term: 6, lastLogIndex: 2, lastLogTerm: 1 });
    solo.step({ kind: "disconnected", peer: "b:1" });
    solo.connect("b:1");
    solo.status("b:1", { term: 5 }, asked);
    assert.equal(solo.state.secondTerm, 0);
    assert.equal(solo.state.knowledge("b:1").status, null);
    // That of the present link is believed.
    solo.status("b:1", { term: 3 });
    assert.equal(solo.state.secondTerm, 3);
    assert.equal(solo.state.knowledge("b:1").status?.term, 3);
  });

  test("late answers to earlier questions decide nothing, whatever they say", () => {
    const solo = new Solo({ log: [0, 1, 1], term: 5, commit: 3 });
    const connecting = solo.questionTo("b:1");
    solo.timeOut();
    solo.status("c:1", { term: 2 });
    solo.status("b:1", null, connecting);
    assert.deepEqual(solo.notes(), []);
    solo.status("b:1", { term: 5 }, connecting);
    assert.equal(solo.state.round?.answers.has("b:1"), false, "b may have committed more since");
    const first = solo.questionTo("b:1");
    solo.status("b:1", { term: 2 });
    solo.tick(raftLimits.confirmDelayMs);
    solo.status("c:1", { term: 6 });
    solo.status("b:1", { term: 6 }, first);
    assert.deepEqual(requests(solo), []);
    solo.status("b:1", { term: 6, commitIndex: 4 });
    assert.deepEqual(requests(solo), []);
    assert.deepEqual(solo.notes(), ["campaign-behind"]);
  });
});
