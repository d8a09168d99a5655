import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { crc32 } from "node:zlib";
import { journalHeaderBytes, parseJournalHeader } from "../../protocol/files/journal-format.js";
import { eventually } from "../support/eventually.js";
import { recordsIn } from "./damage.js";
import { caughtUp, type GrowthPoint, growthPoints } from "./full-disk.js";
import type { DiskStage } from "./stage.js";

/* The moments before a file of the victim grows, one file at a time: nothing else is written then. */

/** What tmpfs gives room in. */
export const pageKib = 4;
/** Two of them fill more pages than a meta file and what a dump differs by from one time to the next. */
export const largeBytes = 12_000;
export const smallBytes = 200;
/** Few keys, so that a dump is a few pages. */
const smallKeys = 4;
export const largeKey = "/growth/large";
/** An election on a machine that does many other things. */
export const patience = { timeoutMs: 60_000 };
/** The machine stood still, and took the lead from whoever had it. */
const stall = /no majority has answered|a write has taken more than/;

/** Acknowledged writes, one after the other, by whoever leads. */
export async function writeSome(
  stage: DiskStage,
  count: number,
  valueBytes: number,
): Promise<void> {
  for (let n = 0; n < count; n++) {
    const key = valueBytes === smallBytes ? `/growth/small/${n % smallKeys}` : largeKey;
    await eventually("a write", () => stage.write(key, valueBytes), patience);
  }
}

/** Bytes that the victim's journal has laid out behind its last record. */
export function roomInJournal(stage: DiskStage): number {
  const path = stage.file("journal");
  return statSync(path).size - parseJournalHeader(readFileSync(path), crc32).endOffset;
}

/** Pages that a file of this size takes. */
export function pagesOf(bytes: number): number {
  return Math.ceil(bytes / (pageKib * 1024));
}

/**
 * The victim's last compaction came amid large entries: its dump and its journal begin with two of them.
 *
 * @returns how many pages such a dump takes.
 */
export async function compactedAmidLarge(stage: DiskStage): Promise<number> {
  for (let writes = 45; ; writes = 10) {
    await writeSome(stage, writes, largeBytes);
    await caughtUp(stage);
    const bytes = readFileSync(stage.file("journal"));
    const first = bytes.readUInt32LE(journalHeaderBytes);
    const second = bytes.readUInt32LE(journalHeaderBytes + first + 8);
    if (Math.min(first, second) > largeBytes) return pagesOf(statSync(stage.file("dump")).size);
  }
}

/** The victim's journal holds so many records, or one or two more. */
export async function untilRecords(
  stage: DiskStage,
  records: number,
  valueBytes = smallBytes,
): Promise<void> {
  for (;;) {
    await caughtUp(stage);
    const found = recordsIn(stage.file("journal"));
    if (found >= records && found <= records + 2) return;
    await writeSome(stage, 1, valueBytes);
  }
}

/** Until the victim has found no room at this point: its log says so in a line of the present process. */
export async function foundFull(stage: DiskStage, point: GrowthPoint, from = 0): Promise<string> {
  return await eventually(
    `no room for: ${point}`,
    () => {
      const said = linesSince(stage, from).find((line) => growthPoints[point].test(line));
      if (said === undefined) throw new Error(linesSince(stage, from).join("\n"));
      return said;
    },
    patience,
  );
}

export function linesSince(stage: DiskStage, from: number): string[] {
  const lines = stage.victim.logLines().slice(from);
  return lines.map(({ message, text }) => String(message ?? text));
}

/**
 * It did not give the lead away, to somebody or to nobody; that others took it while the machine stood still
 * says nothing.
 */
export function keptLead(stage: DiskStage, from: number): void {
  let ledTerm: unknown = null;
  const given: unknown[] = [];
  for (const [at, line] of stage.victim.logLines().entries()) {
    const { message, role, term } = line;
    if (message === "role") {
      // In a later term it is others who have taken it.
      if (role !== "leader" && term === ledTerm && at >= from) given.push(line);
      ledTerm = role === "leader" ? term : null;
    } else if (at >= from && /handing leadership/.test(String(message))) given.push(line);
  }
  if (linesSince(stage, from).some((line) => stall.test(line))) return;
  assert.deepEqual(given, []);
}

/** The member acknowledges nothing and says so, and another one leads that takes writes. */
export async function isRelieved(stage: DiskStage): Promise<void> {
  await eventually(
    "another member leads",
    async () => {
      const leader = await stage.leader();
      return leader !== null && leader !== stage.victim.selfAddr;
    },
    patience,
  );
  assert.ok((await stage.reasons()).includes("no-space"));
  assert.equal((await fetch(`http://${stage.victim.http}/health`)).status, 503);
  await writeSome(stage, 2, smallBytes);
}

/** The same process goes on by itself, and lacks nothing. */
export async function recovers(stage: DiskStage): Promise<void> {
  await eventually(
    "the member goes on by itself",
    async () => {
      assert.ok(stage.victim.child.isRunning, `it ended: ${stage.lastError()}`);
      const left = (await stage.reasons()).filter((code) => code !== "dump-failed");
      if (left.length > 0) throw new Error(left.join(", "));
      return true;
    },
    patience,
  );
  await writeSome(stage, 1, smallBytes);
  await caughtUp(stage);
}
