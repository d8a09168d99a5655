import assert from "node:assert/strict";
import { test } from "node:test";
import { follower, leader, quorate } from "./roles.js";
import { answerOf, appendFrom, preVoteAnswer, Solo } from "./solo.js";
import { requestVote } from "./vanilla-peers.js";

/* What is committed is not applied: the data would be more than the member holds. Its log is whole. */

const heldBack = (isHeldBack: boolean) => ({ kind: "held-back", isHeldBack }) as const;
const asks = ["request_vote", "quorate_pre_vote"];
const asked = (solo: Solo) => solo.take().filter(({ message }) => asks.includes(message.type));

test("a member whose store stands still does not campaign, and does as soon as it goes on", () => {
  for (const isQuorate of [true, false]) {
    const solo = follower({ quorate: isQuorate });
    solo.step(heldBack(true));
    for (let n = 0; n < 5; n += 1) solo.timeOut();
    assert.deepEqual(asked(solo), []);
    assert.deepEqual([solo.state.role, solo.state.term, solo.state.round], ["follower", 1, null]);
    solo.step(heldBack(false));
    solo.lead();
  }
});

test("nor where its leader asks it to take over", () => {
  const solo = follower();
  solo.step(heldBack(true));
  solo.receive("b:1", { type: "timeout_now", term: 1 });
  assert.deepEqual(asked(solo), []);
  assert.equal(solo.state.role, "follower");
});

test("a campaign under way ends there", () => {
  for (const isQuorate of [true, false]) {
    const solo = new Solo({ quorate: isQuorate });
    solo.timeOut();
    solo.step(heldBack(true));
    const { term } = solo.state;
    for (const peer of ["b:1", "c:1"]) {
      if (isQuorate) {
        solo.receive(peer, preVoteAnswer(term + 1));
      } else solo.status(peer, {});
      solo.receive(peer, { type: "response_vote", term });
    }
    solo.tick(100);
    assert.deepEqual([solo.state.role, solo.state.term], ["follower", term]);
  }
});

test("it votes, follows, and confirms what it is sent", () => {
  const solo = follower();
  solo.step(heldBack(true));
  const { lastIndex, lastTerm } = solo.state.log;
  const entry = { index: lastIndex + 1, term: 1, command: Uint8Array.of(1) };
  solo.receive("b:1", appendFrom(1, [lastIndex, lastTerm], [entry]));
  assert.deepEqual(solo.takeTo("b:1", "next_node_idx"), [answerOf(lastIndex + 2)]);
  solo.receive("c:1", requestVote(2, lastIndex + 1, 1));
  assert.deepEqual(solo.takeTo("c:1", "response_vote"), [{ type: "response_vote", term: 2 }]);
});

test("a leader whose store comes to stand still hands over and leads no more", () => {
  const solo = leader(quorate);
  solo.step(heldBack(true));
  assert.equal(solo.state.role, "follower");
  const handed = solo.take().filter(({ message }) => message.type === "timeout_now");
  assert.equal(handed.length, 1);
  solo.timeOut();
  assert.deepEqual(asked(solo), []);
});
