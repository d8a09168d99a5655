import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertSetAside, damage, mends, recordsIn } from "./disk/damage.js";
import { caughtUp } from "./disk/full-disk.js";
import {
  compactedAmidLarge,
  foundFull,
  isRelieved,
  keptLead,
  largeBytes,
  largeKey,
  linesSince,
  pageKib,
  patience,
  recovers,
  roomInJournal,
  smallBytes,
  untilRecords,
  writeSome,
} from "./disk/growth.js";
import { DiskStage } from "./disk/stage.js";
import { SmallDisk } from "./disk/tmpfs.js";
import { eventually } from "./support/eventually.js";
import { QuorateMember } from "./support/quorate-member.js";
import { openScene } from "./support/scene.js";

/*
 * A disk that is full at each point at which a file of a member grows, one after the other: the disk is
 * filled to the page just before the file that is meant has to grow, and nothing else is written then.
 */

const sizeKib = 4 * 1024;
/** Longer than any election. */
const aloneMs = 2_500;
/** Fewer than the 40 above which a member writes a dump. */
const fewRecords = 30;

interface Growth {
  readonly stage: DiskStage;
  readonly disk: SmallDisk;
}

async function open(t: TestContext): Promise<Growth> {
  const disk = new SmallDisk(sizeKib);
  t.after(() => disk.close());
  const stage = await DiskStage.start(openScene(t), { victimDir: disk.folder });
  t.after(() => stage.close());
  stage.holdWrites();
  await compactedAmidLarge(stage);
  return { stage, disk };
}

/** Whatever comes of it, the next step begins with a disk that has room. */
async function step({ disk }: Growth, t: TestContext, name: string, work: () => Promise<void>) {
  await t.test(name, async () => {
    try {
      await work();
    } finally {
      disk.release();
    }
  });
}

function linesOf({ stage }: Growth): number {
  return stage.victim.logLines().length;
}

/** What a start on a full disk has touched is for the next one to find: nothing. */
function contents({ stage }: Growth, kinds: readonly string[]): Record<string, Buffer> {
  return Object.fromEntries(kinds.map((kind) => [kind, readFileSync(stage.file(kind))]));
}

test("a disk that is full as a running member's files grow", { timeout: 240_000 }, async (t) => {
  const growth = await open(t);
  const { stage, disk } = growth;

  await step(growth, t, "within what the journal has laid out: the leader goes on", async () => {
    await untilRecords(stage, 5);
    await stage.makeVictimLead();
    assert.ok(roomInJournal(stage) > 10 * smallBytes);
    const from = linesOf(growth);
    await disk.fillToPage(0);
    await writeSome(stage, 5, smallBytes);
    keptLead(stage, from);
    // The commit index is a hint, stored within a second; that there is no room for it is told.
    await foundFull(stage, "meta", from);
    keptLead(stage, from);
    disk.release();
    await recovers(stage);
  });

  await step(
    growth,
    t,
    "room for a record, not for what the journal grows by: it goes on",
    async () => {
      await stage.makeVictimLead();
      await untilFullJournal(stage);
      const from = linesOf(growth);
      await disk.fillToPage(6 * pageKib);
      await writeSome(stage, 1, largeBytes);
      assert.deepEqual(
        linesSince(stage, from).filter((line) => /append/.test(line)),
        [],
      );
      keptLead(stage, from);
      disk.release();
      await recovers(stage);
    },
  );

  await step(
    growth,
    t,
    "the journal grows: the leader acknowledges nothing, and hands over",
    async () => {
      await stage.makeVictimLead();
      await untilFullJournal(stage);
      const from = linesOf(growth);
      await disk.fillToPage(0);
      const write = stage.write(largeKey, largeBytes);
      await foundFull(stage, "append", from);
      await isRelieved(stage);
      await write;
      disk.release();
      await recovers(stage);
    },
  );

  await step(growth, t, "meta: no vote is given", async () => {
    await untilRecords(stage, 5);
    const [leading, other] = stage.others;
    assert.ok(leading instanceof QuorateMember && other instanceof QuorateMember);
    await stage.makeLead(leading.selfAddr);
    const from = linesOf(growth);
    await disk.fillToPage(0);
    const before = contents(growth, ["journal.meta"]);
    await leading.stop("SIGKILL");
    await foundFull(stage, "meta", from);
    await sleep(aloneMs);
    assert.equal((await other.httpStatus())["role"] === "leader", false, "nobody leads");
    assert.deepEqual(contents(growth, ["journal.meta"]), before);
    disk.release();
    await eventually("a vote is given", async () => (await stage.leader()) !== null, patience);
    await stage.restart(0);
    await recovers(stage);
  });

  await step(growth, t, "a dump: the old one stays, the member goes on", async () => {
    await untilRecords(stage, fewRecords);
    await stage.makeVictimLead();
    const from = linesOf(growth);
    await disk.fillToPage(0);
    const before = contents(growth, ["dump"]);
    await writeSome(stage, 15, smallBytes);
    await foundFull(stage, "dump", from);
    assert.ok((await stage.reasons()).includes("dump-failed"));
    keptLead(stage, from);
    assert.deepEqual(contents(growth, ["dump"]), before);
    assert.deepEqual(temporaries(disk), [], "nothing half is left");
    disk.release();
    await recovers(stage);
  });

  await step(
    growth,
    t,
    "the new journal of a compaction: the old files stay, the lead goes",
    async () => {
      // Another one than the last: a dump that has failed is not tried again for a minute.
      await restartVictim(stage);
      const dumpPages = await compactedAmidLarge(stage);
      await writeSome(stage, 45, smallBytes);
      await untilRecords(stage, fewRecords);
      await stage.makeVictimLead();
      assert.ok(roomInJournal(stage) > 12 * largeBytes);
      const kinds = ["dump"];
      const before = contents(growth, kinds);
      const from = linesOf(growth);
      // Room for the dump and a meta file, and none for the two large entries that a new journal begins with.
      await disk.fillToPage((dumpPages + 2) * pageKib);
      const records = recordsIn(stage.file("journal"));
      const writes = Promise.all(
        Array.from({ length: 12 }, () => stage.write(largeKey, largeBytes)),
      );
      await foundFull(stage, "journal", from);
      await isRelieved(stage);
      await writes;
      assert.deepEqual(contents(growth, kinds), before);
      assert.ok(recordsIn(stage.file("journal")) > records, "the old journal is in its place");
      assert.ok(
        !temporaries(disk).some((name) => name.includes("journal")),
        "nothing half is left",
      );
      disk.release();
      await recovers(stage);
      assert.ok(recordsIn(stage.file("journal")) < fewRecords, "compacted when there was room");
    },
  );
  await stage.judge();
});

test("a disk that is full as a member starts", { timeout: 240_000 }, async (t) => {
  const growth = await open(t);
  const { stage, disk } = growth;

  await step(
    growth,
    t,
    "on a damaged journal: it stays where it is until there is room",
    async () => {
      // So that a new journal begins with two large entries.
      await untilRecords(stage, 5, largeBytes);
      await stage.victim.stop("SIGTERM");
      const { path, bytes } = damage(stage, "value");
      for (const [freePages, file] of [
        [0, "meta"],
        [1, "journal"],
      ] as const) {
        await disk.fillToPage(freePages * pageKib);
        await stage.startVictim({ isDoomed: true });
        await foundFull(stage, file);
        assert.match(linesSince(stage, 0).join("\n"), /waiting with the start: .* make room/);
        assert.deepEqual(readFileSync(path), bytes);
        await stage.victim.stop("SIGKILL");
      }
      await stage.startVictim({ isDoomed: true });
      disk.release();
      await stage.victimAnswers();
      assertSetAside(stage, path, bytes);
      await mends(stage);
    },
  );

  await step(
    growth,
    t,
    "with nothing but a directory: it is a new member when there is room",
    async () => {
      await wipe(growth);
      await disk.fillToPage(0);
      await stage.startVictim({ isDoomed: true });
      await foundFull(stage, "meta");
      await wipe(growth);
      disk.takeNames();
      await stage.startVictim({ isDoomed: true });
      await eventually(
        "no lock can be made",
        () =>
          linesSince(stage, 0).some((line) =>
            /waiting with the start: .*journal: no space left .* while taking the lock/.test(line),
          ),
        patience,
      );
      disk.giveNames();
      disk.release();
      await stage.victimAnswers();
      await caughtUp(stage);
    },
  );

  await step(
    growth,
    t,
    "the new journal behind a leader's dump: it serves nothing before",
    async () => {
      const dumpPages = await compactedAmidLarge(stage);
      await wipe(growth);
      // Beside the dump: meta, the next one that takes its place, and a journal of one entry.
      await disk.fillToPage((dumpPages + 4) * pageKib);
      await stage.startVictim();
      await foundFull(stage, "journal");
      assert.ok((await stage.reasons()).includes("refetching"));
      assert.equal((await fetch(`http://${stage.victim.http}/v1/kv`)).status, 503);
      assert.ok(!existsSync(stage.file("dump")), "the dump waits for its journal");
      disk.release();
      await mends(stage);
    },
  );
  await stage.judge();
});

async function wipe({ stage, disk }: Growth): Promise<void> {
  await stage.victim.stop("SIGTERM");
  for (const name of readdirSync(disk.folder)) rmSync(join(disk.folder, name));
}

/** Too little room in what the journal has laid out for a large record, and no compaction due. */
async function untilFullJournal(stage: DiskStage): Promise<void> {
  for (;;) {
    await caughtUp(stage);
    const room = roomInJournal(stage);
    const records = recordsIn(stage.file("journal"));
    if (room < largeBytes && records < fewRecords) return;
    const rest = room - Math.floor(largeBytes / 2);
    await writeSome(stage, 1, room < largeBytes || rest > largeBytes ? largeBytes : rest);
  }
}

function temporaries(disk: SmallDisk): string[] {
  // Term and vote are tried again and again, in the same file: it is empty as long as there is no room.
  const names = readdirSync(disk.folder).filter((name) => name.includes("tmp"));
  return names.filter((name) => !name.endsWith(".meta.tmp"));
}

async function restartVictim(stage: DiskStage): Promise<void> {
  await stage.victim.stop("SIGTERM");
  await stage.startVictim();
}
