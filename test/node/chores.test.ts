import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../src/clock.js";
import { Chores } from "../../src/node/chores.js";

test("chores are done when the member is awake, each as often as it is to be", () => {
  let nowMs = 0;
  const chores = new Chores({ ...systemClock, monotonicMs: () => nowMs });
  const done: string[] = [];
  chores.clock.every(500, () => done.push(`often ${nowMs}`));
  const rare = chores.clock.every(1_000, () => done.push(`rarely ${nowMs}`));
  for (; nowMs <= 2_050; nowMs += 10) chores.awake(nowMs);
  const all = ["often 500", "often 1000", "rarely 1000", "often 1500", "often 2000", "rarely 2000"];
  assert.deepEqual(done, all);
  rare.cancel();
  nowMs = 60_000;
  chores.awake(nowMs);
  chores.awake(nowMs);
  assert.deepEqual(done.slice(all.length), ["often 60000"], "what was missed is done once");
});

test("a chore may end another, and itself, and begin one", () => {
  let nowMs = 0;
  const chores = new Chores({ ...systemClock, monotonicMs: () => nowMs });
  const done: string[] = [];
  const first = chores.clock.every(100, () => {
    done.push("first");
    first.cancel();
    second.cancel();
    chores.clock.every(50, () => done.push("third"));
  });
  const second = chores.clock.every(100, () => done.push("second"));
  for (const ms of [100, 120, 150, 160]) {
    nowMs = ms;
    chores.awake(nowMs);
  }
  assert.deepEqual(done, ["first", "third"]);
});
