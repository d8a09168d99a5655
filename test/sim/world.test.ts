import assert from "node:assert/strict";
import { test } from "node:test";
import { Chance } from "./chance.js";
import { DiskImage, Inode } from "./disk-image.js";
import { Life, Machine } from "./machine.js";
import { Timeline } from "./timeline.js";

/** A chance that always says the same. */
function always(value: number): Chance {
  const chance = new Chance(1);
  Object.assign(chance, { next: () => value });
  return chance;
}

function pass(timeline: Timeline, untilMs: number): void {
  for (let goesOn = true; goesOn; ) goesOn = timeline.advance(untilMs);
}

test("events happen in order of time, and at one time in the order in which they were said", () => {
  const timeline = new Timeline();
  const happened: string[] = [];
  const chance = new Chance(7);
  const times = Array.from({ length: 200 }, () => chance.below(20));
  times.forEach((at, i) => void timeline.at(at, () => happened.push(`${at}.${i}`)));
  const cancel = timeline.at(3, () => happened.push("called off"));
  cancel();
  pass(timeline, 30);
  const due = times.map((at, i) => [at, i] as const).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  assert.deepEqual(
    happened,
    due.map(([at, i]) => `${at}.${i}`),
  );
  assert.equal(timeline.nowMs, 30);
});

test("a process that is paused takes what came when it goes on, one that is dead never", async () => {
  const timeline = new Timeline();
  const machine = new Machine(timeline, () => {});
  const life = new Life(machine);
  const seen: number[] = [];
  life.clock.after(10, () => seen.push(timeline.nowMs));
  life.clock.after(500, () => seen.push(timeline.nowMs));
  machine.pause();
  pass(timeline, 100);
  assert.deepEqual(seen, []);
  machine.resume();
  pass(timeline, 100);
  assert.deepEqual(seen, [100]);
  life.isOver = true;
  pass(timeline, 1_000);
  assert.deepEqual(seen, [100]);
});

test("what was synced survives a loss of power, what was not may be torn", () => {
  const kept = new Inode();
  kept.write(Buffer.from("synced"), 0);
  kept.sync();
  kept.write(Buffer.alloc(2_000, "x"), 6);
  assert.equal(kept.read(0, 10).toString(), "syncedxxxx");
  kept.losePower(always(0));
  assert.equal(kept.read(0, 10).toString(), "synced");
  const torn = new Set<string>();
  for (let seed = 0; seed < 50; seed += 1) {
    const inode = new Inode();
    inode.write(Buffer.alloc(2_048, "x"), 0);
    inode.losePower(new Chance(seed));
    const sectors = [0, 1, 2, 3].map((at) => (inode.read(at * 512, 1)[0] === 120 ? "x" : "."));
    torn.add(sectors.join(""));
  }
  assert.ok(torn.size > 8, `only ${[...torn]}`);
});

test("a sync that failed leaves behind what no later sync writes", () => {
  const inode = new Inode();
  inode.write(Buffer.from("gone"), 0);
  inode.failSync(always(0.9));
  inode.sync();
  assert.equal(inode.read(0, 4).toString(), "gone");
  assert.equal(inode.durable().length, 0);
  inode.losePower(always(0));
  assert.equal(inode.size, 0);
});

test("a name is durable only when its directory was synced", () => {
  const disk = new DiskImage();
  disk.create("/data/a").sync();
  disk.sync();
  disk.create("/data/b").sync();
  disk.rename("/data/b", "/data/a");
  const replaced = disk.find("/data/a");
  assert.notEqual(disk.findDurable("/data/a"), replaced);
  disk.losePower(always(0));
  assert.deepEqual(disk.names(), ["/data/a"]);
  assert.notEqual(disk.find("/data/a"), replaced);
});
