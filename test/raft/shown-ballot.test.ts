import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { appendFrom, Solo } from "./solo.js";
import { requestVote } from "./vanilla-peers.js";

/* A status is an answer like any other: what it tells must outlive a crash. */
suite("the term and vote that a status shows", () => {
  test("are the ones on the disk", () => {
    const solo = new Solo({ term: 3, votedFor: "c:1" });
    solo.autoDisk = false;
    solo.receive("b:1", requestVote(5, 1, 0));
    assert.deepEqual([solo.state.term, solo.state.votedFor], [5, "b:1"]);
    assert.deepEqual(shown(solo), [3, "c:1"]);
    solo.sync();
    assert.deepEqual(shown(solo), [5, "b:1"]);
  });

  test("are those in memory while the disk takes nothing", () => {
    const solo = new Solo({ term: 3 });
    solo.autoDisk = false;
    solo.step({ kind: "disk", usable: false });
    solo.receive("b:1", requestVote(5, 1, 0));
    assert.deepEqual(shown(solo), [5, null]);
  });

  function shown({ state }: Solo): [number, string | null] {
    return [state.shownBallot.term, state.shownBallot.votedFor];
  }
});

test("a status tells of missing files until the disk holds that they are there again", () => {
  const solo = new Solo({ log: [0, 4, 4], term: 4, mustRefetch: true });
  solo.autoDisk = false;
  solo.receive("b:1", appendFrom(4, [3, 4], [], 3));
  assert.equal(solo.state.mustRefetch, false);
  assert.equal(solo.state.showsMissing, true);
  solo.sync();
  assert.equal(solo.state.showsMissing, false);
});
