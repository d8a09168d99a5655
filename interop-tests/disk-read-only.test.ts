import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { caughtUp } from "./disk/full-disk.js";
import { LoopDisk } from "./disk/loop-disk.js";
import { DiskStage } from "./disk/stage.js";
import { SmallDisk } from "./disk/tmpfs.js";
import { eventually } from "./support/eventually.js";
import { openScene } from "./support/scene.js";

/*
 * The file system under a running member becomes read-only: as the kernel does it when it finds ext4
 * damaged, and as an administrator tries it. The member ends with one line, the others go on; it does
 * not start there, and lacks nothing once the file system is mounted for writing again.
 */

const isReadOnly =
  /\/[^ ]*: (the file system is read-only \(EROFS\)|EIO|a sync failed \(E(IO|ROFS)\)).*start (it|the member) again/;

async function stageOn(t: TestContext, victimDir: string): Promise<DiskStage> {
  const stage = await DiskStage.start(openScene(t), { victimDir });
  t.after(() => stage.close());
  return stage;
}

for (const leads of [true, false]) {
  test(`the kernel gives the file system of a ${leads ? "leader" : "follower"} up`, {
    timeout: 180_000,
  }, async (t) => {
    const disk = new LoopDisk(32);
    t.after(() => disk.close());
    const stage = await stageOn(t, disk.folder);
    if (leads) await stage.makeVictimLead();
    await stage.more(50);
    assert.match(String(disk.remount("ro")), /busy/, "nobody can do so while the journal is open");
    await stage.more(10);
    disk.giveUp();
    const exit = await stage.victim.child.exited;
    assert.deepEqual(exit, { code: 1, signal: null });
    assert.match(stage.lastError(), isReadOnly);
    t.diagnostic(stage.lastError());
    await stage.more(50);

    await stage.startVictim({ isDoomed: true });
    assert.equal(await stage.untilUpOrEnded(), false, "it does not start there");
    assert.match(stage.lastError(), /read-only \(EROFS\).*mount it for writing.*again/);
    t.diagnostic(stage.lastError());

    await disk.repair();
    await stage.startVictim();
    const aside = stage.victim.logLines().filter((line) => line["setAsideTo"] !== undefined);
    assert.deepEqual(aside, [], "nothing is found missing");
    await caughtUp(stage);
    assert.deepEqual(await stage.reasons(), []);
    await stage.judge();
  });
}

test("a start on a file system that was mounted read-only", { timeout: 120_000 }, async (t) => {
  const disk = new SmallDisk(16 * 1024);
  t.after(() => disk.close());
  const stage = await stageOn(t, disk.folder);
  await stage.more(10);
  await stage.victim.stop("SIGTERM");
  disk.remount("ro");
  await stage.startVictim({ isDoomed: true });
  assert.equal(await stage.untilUpOrEnded(), false);
  assert.match(stage.lastError(), /read-only \(EROFS\).*mount it for writing.*again/);
  disk.remount("rw");
  await stage.startVictim();
  await caughtUp(stage);
  await eventually("its health is good", async () => (await stage.reasons()).length === 0);
  await stage.judge();
});
