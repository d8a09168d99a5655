import assert from "node:assert/strict";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { caughtUp, fullDiskRound, type GrowthPoint } from "./disk/full-disk.js";
import { DiskStage } from "./disk/stage.js";
import { SmallDisk } from "./disk/tmpfs.js";
import { eventually } from "./support/eventually.js";
import { openScene } from "./support/scene.js";

/*
 * Real members, one of them on a tmpfs that fills up. It stops acknowledging, the lead goes to
 * another, writes go on; when there is room it goes on by itself. `npm run soak -- disk-faults` takes
 * smaller steps.
 */

/** Room for what the log grows by while a dump that failed waits for its next attempt. */
const sizeKib = 16 * 1024;
const small = 200;
const large = 8_000;
/** KiB that are free, and bytes of the values that are written meanwhile. */
const rounds = [
  [4, small],
  [0, small],
  [0, large],
  [268, large],
] as const;

function smallDisk(t: TestContext): SmallDisk {
  const disk = new SmallDisk(sizeKib);
  t.after(() => disk.close());
  return disk;
}

test("a disk that fills up under a client that writes all the time", {
  timeout: 240_000,
}, async (t) => {
  const scene = openScene(t);
  const disk = smallDisk(t);
  const stage = await DiskStage.start(scene, { victimDir: disk.folder });
  t.after(() => stage.close());
  const seen = new Set<GrowthPoint>();
  for (const [round, [freeKib, valueBytes]] of rounds.entries()) {
    const leads = round % 2 === 0;
    const result = await fullDiskRound(stage, disk, { freeKib, leads, valueBytes });
    const { points, isStopped, handOverMs } = result;
    for (const point of points) seen.add(point);
    if (isStopped && leads) {
      assert.ok(handOverMs !== null, `${freeKib} KiB free: the leader handed over`);
    }
    const took = handOverMs === null ? "" : `, another leads after ${Math.round(handOverMs)} ms`;
    t.diagnostic(`${freeKib} KiB free: ${points.join(", ") || "enough"}${took}`);
  }
  // Which other file is met first is a matter of a few hundred bytes: disk-growth.test.ts takes one by one.
  assert.ok(seen.has("append"), [...seen].join(", "));
  await stage.judge();
});

test("a disk that is full at the start, and one too small for the leader's dump", {
  timeout: 180_000,
}, async (t) => {
  const scene = openScene(t);
  const disk = smallDisk(t);
  const stage = await DiskStage.start(scene, { victimDir: disk.folder });
  t.after(() => stage.close());
  stage.valueBytes = large;
  await stage.victim.stop("SIGKILL");
  disk.fillTo(0);
  let victim = await stage.startVictim({ isDoomed: true });
  await eventually("it says that it waits", () => stage.errors().length > 0, {
    timeoutMs: 60_000,
  });
  assert.match(victim.child.log(), /waiting with the start/);
  assert.match(stage.lastError(), /\.meta: no space left .* make room/);
  await stage.more(200);
  assert.ok(victim.child.isRunning, victim.child.log());
  assert.deepEqual(await victim.stop("SIGTERM"), { code: 1, signal: null });
  assert.match(stage.lastError(), /cannot run: .*no space left/);

  victim = await stage.startVictim({ isDoomed: true });
  disk.release();
  await stage.victimAnswers();
  await caughtUp(stage);

  // A new member, with room for what it begins with.
  await stage.victim.stop("SIGTERM");
  for (const name of readdirSync(disk.folder)) rmSync(join(disk.folder, name));
  disk.fillTo(64);
  victim = await stage.startVictim();
  await eventually("no room for the leader's dump", () =>
    stage.errors().some((line) => /no space left .* while receiving a dump/.test(line)),
  );
  assert.ok((await stage.reasons()).includes("refetching"));
  assert.equal((await fetch(`http://${victim.http}/v1/kv`)).status, 503);
  disk.release();
  await caughtUp(stage);
  await eventually("its health is good", async () => (await stage.reasons()).length === 0);
  await stage.judge();
});

test("the same beside two PySyncObj members", { timeout: 120_000 }, async (t) => {
  const scene = openScene(t);
  const disk = smallDisk(t);
  const others = ["vanilla", "vanilla"] as const;
  const stage = await DiskStage.start(scene, { victimDir: disk.folder, others });
  t.after(() => stage.close());
  const round = { freeKib: 0, leads: true, valueBytes: large, mustStop: true };
  const { points, handOverMs } = await fullDiskRound(stage, disk, round);
  assert.ok(points.includes("append") && handOverMs !== null, points.join(", "));
  t.diagnostic(`${points.join(", ")}, another leads after ${Math.round(handOverMs)} ms`);
  await stage.judge();
});
