import assert from "node:assert/strict";
import { test } from "node:test";
import { raftLimits } from "../../src/raft/limits.js";
import { leader } from "./roles.js";
import { answerOf, type Solo, type SoloOptions } from "./solo.js";

const paceMs = raftLimits.paceMsMax;
const many = Array.from(
  { length: paceMs * raftLimits.observerMessagesPerMs },
  (_, at) => `observer:${at + 1}`,
);

/** A leader whose observers hold all that it holds, and have just been told so. */
function leaderWith(observers: readonly string[], options: SoloOptions = {}): Solo {
  const solo = leader(options);
  for (const peer of ["b:1", "c:1"]) solo.receive(peer, answerOf(3));
  for (const id of observers) {
    solo.step({ kind: "observer-connected", id });
    solo.receive(id, answerOf(3));
  }
  // A new link is greeted with a heartbeat to everybody.
  solo.step({ kind: "tick" });
  solo.take();
  return solo;
}

/** Who is sent entries when one is proposed. */
function toldOf(solo: Solo, text: string): string[] {
  solo.propose(text);
  return receivers(solo);
}

function receivers(solo: Solo): string[] {
  return solo.take().flatMap(({ to, message }) => (message.type === "append_entries" ? [to] : []));
}

test("a few observers are sent each entry at once", () => {
  const few = many.slice(0, raftLimits.observerMessagesPerMs - 1);
  const solo = leaderWith(few);
  assert.deepEqual(toldOf(solo, "x"), ["b:1", "c:1", ...few]);
});

test("many are sent entries at intervals: what came meanwhile goes in one message", () => {
  const solo = leaderWith(many);
  solo.nowMs += paceMs;
  assert.equal(toldOf(solo, "x").length, 2 + many.length, "the interval is over");
  const sentMs = solo.nowMs;
  for (let ms = 1; ms < paceMs; ms += 1) {
    solo.nowMs = sentMs + ms;
    assert.deepEqual(toldOf(solo, `x${ms}`), ["b:1", "c:1"]);
    // An answer brings nothing on either.
    for (const id of many) solo.receive(id, answerOf(4));
    assert.deepEqual(receivers(solo), []);
  }
  assert.equal(solo.core.nextTickMs(), sentMs + paceMs);
  solo.nowMs = sentMs + paceMs;
  solo.step({ kind: "tick" });
  const sent = solo.take();
  assert.equal(sent.length, many.length);
  for (const { message } of sent) {
    assert.equal(message.type === "append_entries" && message.entries.length, paceMs - 1);
  }
  assert.ok(solo.core.nextTickMs() > solo.nowMs + 1, "nobody waits any more");
});

test("an observer that writes is sent everything at once", () => {
  const solo = leaderWith(many);
  const [first = "", second] = many;
  solo.nowMs += paceMs;
  solo.receive(first, { type: "apply_command", command: Uint8Array.of(1, 2), requestId: 7 });
  solo.take();
  solo.nowMs += 1;
  assert.deepEqual(toldOf(solo, "x"), ["b:1", "c:1", first]);
  solo.nowMs += raftLimits.writerMs;
  solo.step({ kind: "tick" });
  solo.take();
  solo.nowMs += 1;
  const told = toldOf(solo, "y");
  assert.ok(!told.includes(first) && !told.includes(second ?? ""), "it has written long ago");
});

test("one that is not up to date is sent what it lacks without waiting", () => {
  const solo = leaderWith(many.slice(1));
  const [late = ""] = many;
  solo.step({ kind: "observer-connected", id: late });
  solo.take();
  solo.receive(late, answerOf(2, { success: false, reset: true }));
  assert.deepEqual(receivers(solo), [late]);
});

test("a commit index is told at once to whoever has written, and with the next entries to the others", () => {
  const [writer = "", watcher = ""] = many;
  const solo = leaderWith([writer, watcher], { tellsAtTurnEnd: true });
  solo.nowMs += paceMs;
  solo.receive(writer, { type: "apply_command", command: Uint8Array.of(1, 2), requestId: 7 });
  assert.deepEqual(receivers(solo).sort(), ["b:1", "c:1", writer, watcher]);
  solo.receive("b:1", answerOf(4));
  solo.step({ kind: "turn-ended" });
  const [told, ...others] = solo.take();
  assert.deepEqual([told?.to, others.length], [writer, 0]);
  assert.equal(told?.message.type === "append_entries" && told.message.commitIndex, 3);
  assert.equal(solo.core.nextTickMs(), solo.nowMs + paceMs);
  solo.receive("c:1", answerOf(4));
  assert.deepEqual(receivers(solo), [], "an answer brings nothing on either");
  solo.nowMs += paceMs;
  solo.step({ kind: "tick" });
  assert.deepEqual(receivers(solo), ["b:1", "c:1", watcher]);
});

test("… and a member that forwards what its clients write is told at once as well", () => {
  const solo = leaderWith([], { tellsAtTurnEnd: true });
  solo.nowMs += paceMs;
  solo.receive("c:1", { type: "apply_command", command: Uint8Array.of(1, 2), requestId: 7 });
  solo.take();
  solo.receive("b:1", answerOf(4));
  solo.step({ kind: "turn-ended" });
  assert.deepEqual(receivers(solo), ["c:1"]);
});
