import assert from "node:assert/strict";
import { test } from "node:test";
import { clockCases, hourSec, renewals, ttlSec } from "./support/clock-cases.js";
import { ClockCluster } from "./support/clock-cluster.js";
import { eventually } from "./support/eventually.js";
import { QuorateMember } from "./support/quorate-member.js";
import { openScene } from "./support/scene.js";

/** A look every 100 ms, the observer's own copy of the log, and a busy machine. */
const lateSecMax = 3;
const version = "0.3.17";

/** PySyncObj's members in the same places: printed beside ours, and no measure of what is right. */
const vanillaCases = [
  "all clocks right",
  "the members an hour ahead",
  "the members an hour behind",
];

test("wall clocks that are wrong, and jump, under real members", async (t) => {
  const scene = openScene(t);
  const ours = await ClockCluster.start(scene, "quorate", version);
  const theirs = await ClockCluster.start(scene, "vanilla", version);

  for (const { name, run } of clockCases) {
    await t.test(`${name}: a key lives for its ttl`, async () => {
      await Promise.all([ours.reset(), theirs.reset()]);
      const [lived, yardstick] = await Promise.all([
        run(ours),
        vanillaCases.includes(name) ? run(theirs) : undefined,
      ]);
      const vanilla = yardstick === undefined ? "" : `, ${shown(yardstick)} with PySyncObj's`;
      console.log(`${name}: ${shown(lived)} of ${ttlSec} s${vanilla}`);
      assert.ok(lived !== null && lived < ttlSec + lateSecMax, `too long: ${shown(lived)}`);
      // The life was measured from the acknowledgement on, a moment after it began.
      assert.ok(lived > ttlSec - 0.5, `too short: ${shown(lived)}`);
    });
  }

  await t.test("members an hour ahead do not take away a key that is renewed", async () => {
    await Promise.all([ours.reset(), theirs.reset()]);
    const [said, vanilla] = await Promise.all([renewals(ours, hourSec), renewals(theirs, hourSec)]);
    console.log(`renewed every second: ${said}, with PySyncObj's ${vanilla}`);
    assert.match(said, /^gone in 0 /);
    assert.doesNotMatch(vanilla, /^gone in 0 /, "then the clock was not wrong at all");
  });

  await t.test("clocks that jump change no leader, and time does not go back", async () => {
    await ours.reset();
    const leader = await ours.leader();
    const before = await statusOf(leader.node);
    for (const skewSec of [hourSec, -hourSec, 0, -2 * hourSec, 2 * hourSec]) {
      for (const { clock } of ours.members) clock.set(skewSec);
      await ours.write(ttlSec);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    const after = await statusOf((await ours.leader()).node);
    assert.equal(after.self, before.self);
    assert.equal(after.term, before.term);
    const passedMs = after.uptimeMs - before.uptimeMs;
    assert.ok(passedMs > 2_000 && passedMs < 60_000, `${passedMs} ms of uptime`);
    for (const { node } of ours.members) assert.ok(node.child.isRunning);
  });

  for (const skewSec of [-hourSec, hourSec]) {
    const [side, isAhead] = skewSec > 0 ? ["ahead", true] : ["behind", false];
    await t.test(
      `all start again with clocks an hour ${side}: a key ${isAhead ? "goes" : "has its ttl once more"}`,
      async () => {
        await ours.reset();
        await ours.write(ttlSec);
        const lived = await lifeAfterStart(ours, skewSec);
        console.log(`started again an hour ${side}: ${lived.text}`);
        // Who has read a value believes its wall clock, but keeps nothing for more than a ttl from its start.
        const longestSec = lateSecMax + (isAhead ? 0 : ttlSec);
        assert.ok(lived.sinceLeaderSec < longestSec, `too long: ${lived.text}`);
        assert.ok(isAhead || lived.sinceStartSec > ttlSec, `too short: ${lived.text}`);
      },
    );
  }
});

interface LifeAfterStart {
  /** From before the first member started. */
  readonly sinceStartSec: number;
  /** From when all knew who leads. */
  readonly sinceLeaderSec: number;
  readonly text: string;
}

async function lifeAfterStart(cluster: ClockCluster, aheadSec: number): Promise<LifeAfterStart> {
  const began = performance.now();
  await cluster.startAgain(aheadSec);
  const leader = await cluster.leader();
  const led = performance.now();
  await eventually("the key is gone", async () => !(await cluster.isHeldBy(leader)), {
    timeoutMs: 30_000,
    everyMs: 50,
  });
  const now = performance.now();
  const [sinceStartSec, sinceLeaderSec] = [(now - began) / 1_000, (now - led) / 1_000];
  const text = `gone ${sinceStartSec.toFixed(1)} s after the start, ${sinceLeaderSec.toFixed(1)} s after all had a leader`;
  return { sinceStartSec, sinceLeaderSec, text };
}

function shown(seconds: number | null): string {
  return seconds === null ? "still there" : `${seconds.toFixed(1)} s`;
}

async function statusOf(node: unknown) {
  assert.ok(node instanceof QuorateMember);
  const { self, term, uptimeMs } = await node.httpStatus();
  return { self, term: Number(term), uptimeMs: Number(uptimeMs) };
}
