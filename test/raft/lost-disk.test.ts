import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { appendFrom, logOf, Solo } from "./solo.js";
import { requestVote } from "./vanilla-peers.js";

/*
 * A member without any files is new, or has lost its disk. In the second case an entry that it had
 * confirmed may be held by one other member only, which is away: its vote would elect a third one
 * that never saw the entry.
 */
suite("a member without any files", () => {
  function granted(solo: Solo, peer: string): boolean {
    return solo.takeTo(peer, "response_vote").length > 0;
  }

  test("votes for no log that goes back beyond its own beginning, after a restart neither", () => {
    const solo = new Solo({ isNew: true });
    solo.receive("b:1", requestVote(4, 7, 3));
    assert.equal(granted(solo, "b:1"), false);
    assert.deepEqual(
      solo.all("must-refetch").map(({ missing }) => missing),
      [true],
    );
    const asked = new Solo({ isNew: true, quorate: true });
    asked.receive("b:1", {
      ...{ type: "quorate_pre_vote", term: 4, lastLogIndex: 7, lastLogTerm: 3 },
    });
    assert.deepEqual(
      asked.takeTo("b:1", "quorate_pre_vote_answer").map((answer) => answer.granted),
      [false],
    );
  });

  test("takes part in the first election of a new cluster, and in those that follow", () => {
    const solo = new Solo({ isNew: true });
    solo.receive("b:1", requestVote(1, 1, 0));
    assert.equal(granted(solo, "b:1"), true);
    // The leader dies before we have its first entry, comes back, and needs us again.
    solo.receive("b:1", requestVote(2, 2, 1));
    assert.equal(granted(solo, "b:1"), true);
    const leading = new Solo({ isNew: true });
    leading.lead();
    assert.ok(leading.state.isLeader);
  });

  test("of two votes for the other one, which holds all that was ever confirmed", () => {
    const solo = new Solo({ isNew: true, peers: ["b:1"] });
    solo.receive("b:1", requestVote(4, 7, 3));
    assert.equal(granted(solo, "b:1"), true);
  });

  test("votes once a leader has brought it up to date", () => {
    const solo = new Solo({ isNew: true });
    const [, ...entries] = logOf([0, 1, 3, 3]);
    solo.receive("b:1", appendFrom(3, [1, 0], entries.slice(0, 2), 2));
    assert.ok(solo.state.mustRefetch);
    solo.receive("b:1", appendFrom(3, [3, 3], entries.slice(2), 4));
    assert.equal(solo.state.mustRefetch, false);
    solo.take();
    solo.receive("c:1", requestVote(4, 4, 3));
    assert.equal(granted(solo, "c:1"), true);
  });
});
