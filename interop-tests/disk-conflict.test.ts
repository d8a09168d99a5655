import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { crc32 } from "node:zlib";
import {
  journalHeaderBytes,
  parseJournalHeader,
  walkRecords,
} from "../protocol/files/journal-format.js";
import { encodeSet } from "../protocol/log/kv-calls.js";
import { SmallDisk } from "./disk/tmpfs.js";
import { eventually } from "./support/eventually.js";
import { freeAddresses } from "./support/free-ports.js";
import { Intruder } from "./support/intruder.js";
import { isRecord } from "./support/line-channel.js";
import { type QuorateMember, startQuorate } from "./support/quorate-member.js";
import { openScene, type Scene } from "./support/scene.js";

/*
 * A leader (a forged one) demands that committed entries go, just when there is no room to keep them.
 * The real member cuts nothing before it has kept them; killed meanwhile it still holds them.
 */

const values = 40;
/** So that they need more room than term and vote, for which there is enough. */
const valueBytes = 8_000;
const freeKib = 100;
/** The first of the entries that have to go. */
const from = 21;
const times = { created: 1_700_000_000.5, updated: 1_700_000_000.5 };

interface Stage {
  readonly scene: Scene;
  readonly disk: SmallDisk;
  readonly ghost: string;
  start(): Promise<QuorateMember>;
}

/** A member on a small disk with committed entries, whose partners are gone. */
async function openStage(t: TestContext): Promise<Stage> {
  const scene = openScene(t);
  const disk = new SmallDisk(4 * 1024);
  t.after(() => disk.close());
  // Who connects is the one with the larger address: the ghost comes to the member.
  const addresses = (await freeAddresses(3)).sort();
  const [victimAddr = "", otherAddr = "", ghost = ""] = addresses;
  const partners = (self: string) => addresses.filter((address) => address !== self);
  const start = () =>
    startQuorate(scene, {
      ...{ selfAddr: victimAddr, partners: partners(victimAddr), dataDir: disk.folder },
      isWriter: true,
    });
  const [victim, other] = await Promise.all([
    start(),
    startQuorate(scene, { selfAddr: otherAddr, partners: partners(otherAddr), isWriter: true }),
  ]);
  for (let n = 0; n < values; n++) {
    const value = `${n} `.padEnd(valueBytes, "x");
    await eventually(`value ${n} is written`, async () => {
      return (await victim.setOnce(`/conflict/${n}`, { value, ...times })) !== null;
    });
  }
  await other.stop("SIGKILL");
  await victim.stop("SIGTERM");
  return { scene, disk, ghost, start };
}

function entriesOf(path: string) {
  const bytes = readFileSync(path);
  const { endOffset } = parseJournalHeader(bytes, crc32);
  const walk = { from: journalHeaderBytes, to: endOffset, termJumpMax: Number.POSITIVE_INFINITY };
  return walkRecords(bytes, walk).entries.map(({ index, term, command }) => {
    return { index, term, command: Buffer.from(command).toString("hex") };
  });
}

function conflictFiles(disk: SmallDisk): string[] {
  const names = readdirSync(disk.folder).filter((name) => /conflict|tmp/.test(name));
  return names.map((name) => join(disk.folder, name));
}

async function reasons(victim: QuorateMember): Promise<string> {
  const { degraded } = await victim.httpStatus();
  assert.ok(Array.isArray(degraded));
  return degraded
    .map((reason) => (isRecord(reason) ? `${reason["code"]}: ${reason["message"]}` : ""))
    .join("\n");
}

/** As the leader of a much later term, with another entry where the member has a committed one. */
async function demand(stage: Stage, victim: QuorateMember, prevLogTerm: number, term: number) {
  const guise = { kind: "member", address: stage.ghost } as const;
  const leader = await Intruder.connect({ target: victim.selfAddr, guise });
  const command = encodeSet("/conflict/other", { value: "other", ...times });
  leader.say({
    ...{ type: "append_entries", term, commitIndex: from },
    ...{ prevLogIdx: from - 1, prevLogTerm, entries: [{ index: from, term, command }] },
  });
  return leader;
}

test("committed entries that have to go while there is no room to keep them", {
  timeout: 120_000,
}, async (t) => {
  const stage = await openStage(t);
  const { disk } = stage;
  let victim = await stage.start();
  const journal = join(disk.folder, `${victim.selfAddr}.journal`);
  const before = entriesOf(journal);
  assert.ok((before.at(-1)?.index ?? 0) > values);
  const prevLogTerm = before.find(({ index }) => index === from - 1)?.term ?? 0;

  disk.fillTo(freeKib);
  let leader = await demand(stage, victim, prevLogTerm, 1_000);
  await eventually("it says that there is no room for them", async () => {
    return /no-space: .*while keeping entries of a conflict beside: make room/.test(
      await reasons(victim),
    );
  });
  assert.match(
    await reasons(victim),
    /committed-entries-conflict: .*not kept yet, and nothing goes/,
  );
  assert.deepEqual(conflictFiles(disk), [], "nothing half is left");
  assert.deepEqual(entriesOf(journal), before, "nothing is cut");
  const last = `/conflict/${values - 1}`;
  const shown = (await victim.kv("/conflict/")).entries;
  assert.ok(last in shown && !("/conflict/other" in shown), "the store waits for that as well");

  await victim.stop("SIGKILL");
  leader.leave();
  assert.deepEqual(entriesOf(journal), before);
  victim = await stage.start();
  leader = await demand(stage, victim, prevLogTerm, 1_001);
  await eventually("there is no room again", async () => /no-space/.test(await reasons(victim)));
  assert.deepEqual(entriesOf(journal), before);

  disk.release();
  await eventually("they are kept", async () => / kept in /.test(await reasons(victim)));
  await eventually("it goes on by itself", async () => !/no-space/.test(await reasons(victim)));
  const [kept = "", ...more] = conflictFiles(disk);
  assert.deepEqual(more, []);
  assert.deepEqual(
    entriesOf(kept),
    before.filter(({ index }) => index >= from),
  );
  assert.ok((await reasons(victim)).includes(`kept in ${kept}`));
  const after = (await victim.kv("/conflict/")).entries;
  assert.ok("/conflict/other" in after && !(last in after), "it is built anew");
  leader.leave();
});
