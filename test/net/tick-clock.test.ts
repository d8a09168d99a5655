import assert from "node:assert/strict";
import { test } from "node:test";
import { TickClock } from "../../src/net/tick-clock.js";

test("the clock goes with the time, but a pause of the process counts as two ticks", () => {
  let real = 1_000;
  const clock = new TickClock(200, () => real);
  assert.equal(clock.now(), 0);
  real += 210;
  assert.equal(clock.advance(), 210);
  real += 60_000;
  assert.equal(clock.advance(), 610);
  real += 100;
  assert.equal(clock.advance(), 710);
});
