import assert from "node:assert/strict";
import { test } from "node:test";
import type { Timer } from "../../src/clock.js";
import { TickClock } from "../../src/net/tick-clock.js";

/** A clock that stands, and at most one timer. */
class Stage {
  nowMs = 1_000;
  /** When the timer is due, and how often one has run. */
  dueMs = Number.POSITIVE_INFINITY;
  wakes = 0;
  readonly ticks: number[] = [];
  readonly clock = new TickClock(200, {
    monotonicMs: () => this.nowMs,
    after: (ms, run) => this.#after(ms, run),
  });
  #run: () => void = () => {};

  /** Goes on, a millisecond at a time. @param busyMs How often something else wakes the process; 0: never. */
  pass(ms: number, busyMs = 0): void {
    for (let i = 1; i <= ms; i += 1) {
      this.nowMs += 1;
      if (this.nowMs >= this.dueMs) this.fire();
      if (busyMs > 0 && i % busyMs === 0) this.clock.awake();
    }
  }

  fire(): void {
    this.dueMs = Number.POSITIVE_INFINITY;
    this.wakes += 1;
    this.#run();
  }

  start(): this {
    this.clock.start((now) => this.ticks.push(now));
    return this;
  }

  #after(ms: number, run: () => void): Timer {
    this.dueMs = this.nowMs + ms;
    this.#run = run;
    const timer: Timer = {
      cancel: () => {
        this.dueMs = Number.POSITIVE_INFINITY;
      },
      unref: () => timer,
    };
    return timer;
  }
}

test("the clock goes with the time, but a pause of the process counts as two ticks", () => {
  const stage = new Stage();
  const { clock } = stage;
  assert.equal(clock.now(), 0);
  stage.nowMs += 210;
  assert.equal(clock.advance(), 210);
  stage.nowMs += 60_000;
  assert.equal(clock.advance(), 610);
  stage.nowMs += 100;
  assert.equal(clock.advance(), 710);
});

test("it ticks by itself where nothing wakes the process", () => {
  const stage = new Stage().start();
  stage.pass(1_000);
  assert.deepEqual(stage.ticks, [200, 400, 600, 800, 1_000]);
});

test("where something else wakes the process it ticks then, and its timer is hardly ever needed", () => {
  const stage = new Stage().start();
  stage.pass(6_000, 100);
  assert.equal(stage.ticks.length, 30);
  assert.equal(stage.clock.now(), 6_000);
  assert.ok(stage.wakes <= 11, `${stage.wakes} times in 6 s`);
});

test("when that ends, no time is lost, and it ticks by itself again", () => {
  const stage = new Stage().start();
  stage.pass(5_000, 100);
  const { length } = stage.ticks;
  stage.pass(3_000);
  assert.equal(stage.clock.now(), 8_000);
  const gaps = stage.ticks
    .slice(length)
    .map((tick, i) => tick - (stage.ticks[length + i - 1] ?? 0));
  assert.ok((gaps[0] ?? Number.POSITIVE_INFINITY) <= 600, "one look may be late");
  assert.deepEqual([...new Set(gaps.slice(1))], [200]);
});

test("a pause of the process counts as a tick beyond what it meant to sleep, whatever wakes it", () => {
  for (const wake of ["timer", "message"] as const) {
    const stage = new Stage().start();
    stage.pass(5_000, 100);
    const before = stage.clock.now();
    stage.nowMs += 60_000;
    if (wake === "timer") stage.fire();
    stage.clock.awake();
    const passed = stage.clock.now() - before;
    assert.ok(passed >= 200 && passed <= 800, `${wake}: ${passed} ms`);
  }
});

test("stopped, it does nothing more", () => {
  const stage = new Stage().start();
  stage.clock.stop();
  stage.pass(1_000, 100);
  assert.deepEqual([stage.ticks, stage.wakes], [[], 0]);
});
