import assert from "node:assert/strict";
import { test } from "node:test";
import { Unfinished } from "../../src/net/unfinished.js";

const msMax = 1_000;

test("what lies there without the rest is overdue, however slowly more of it comes", () => {
  const unfinished = new Unfinished();
  assert.equal(unfinished.overdue(9_000, msMax), null, "nothing is there");
  for (let n = 1; n <= 10; n += 1) unfinished.holds(n, n * 100);
  assert.equal(unfinished.overdue(1_000, msMax), null);
  assert.match(unfinished.overdue(1_200, msMax) ?? "", /^10 bytes of a message in 1100 ms/);
});

test("a large one on a slow line has more time", () => {
  const unfinished = new Unfinished();
  const kib = 1024;
  // 64 KiB a second.
  for (let sec = 0; sec <= 120; sec += 1) {
    unfinished.holds((sec + 1) * 64 * kib, sec * 1_000);
    assert.equal(unfinished.overdue(sec * 1_000 + 900, msMax), null, `after ${sec} s`);
  }
  assert.notEqual(unfinished.overdue(126_000, msMax), null, "then nothing more comes");
});

test("each message has its own time", () => {
  const unfinished = new Unfinished();
  for (let n = 0; n < 10; n += 1) {
    unfinished.holds(5, n * 900);
    assert.equal(unfinished.overdue(n * 900 + 899, msMax), null);
    unfinished.whole();
  }
  unfinished.holds(5, 9_000);
  unfinished.holds(0, 9_100);
  assert.equal(unfinished.overdue(20_000, msMax), null, "all of it was used");
});
