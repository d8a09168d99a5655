import assert from "node:assert/strict";
import { test } from "node:test";
import { raftLimits } from "../../src/raft/limits.js";
import { leader } from "./roles.js";
import { answerOf } from "./solo.js";

test("a commit brought about by one's answer is told to all at once, in one message", () => {
  const solo = leader();
  solo.receive("b:1", answerOf(3));
  solo.step({ kind: "observer-connected", id: "observer:1" });
  solo.receive("observer:1", answerOf(3));
  solo.propose("x");
  solo.receive("observer:1", answerOf(4));
  solo.take();
  solo.receive("b:1", answerOf(4));
  const sent = solo.all("send").filter(({ message }) => message.type === "append_entries");
  const last = sent.at(-1);
  assert.deepEqual([...(last?.to ?? [])].sort(), ["b:1", "c:1", "observer:1"]);
  assert.equal(last?.message.type === "append_entries" && last.message.commitIndex, 3);
});

test("… or when the turn ends, with the entries that are sent then", () => {
  const solo = leader({ tellsAtTurnEnd: true });
  solo.step({ kind: "turn-ended" });
  for (const peer of ["b:1", "c:1"]) solo.receive(peer, answerOf(3));
  solo.propose("x");
  solo.take();
  solo.receive("b:1", answerOf(4));
  assert.equal(solo.state.commitIndex, 3);
  assert.deepEqual(solo.take(), [], "nothing before the turn has ended");
  solo.propose("y");
  const sent = solo.takeTo("b:1", "append_entries");
  assert.deepEqual([sent.length, sent[0]?.commitIndex, sent[0]?.entries.length], [1, 3, 1]);
  assert.equal(solo.state.owesCommit, false);
  solo.receive("b:1", answerOf(5));
  assert.equal(solo.state.owesCommit, true);
  solo.take();
  solo.nowMs += raftLimits.paceMsMax;
  solo.step({ kind: "turn-ended" });
  assert.equal(solo.takeTo("c:1", "append_entries")[0]?.commitIndex, 4);
  assert.equal(solo.state.owesCommit, false);
});
