import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { journalHeaderBytes, parseJournalHeader } from "../../protocol/files/journal-format.js";
import { eventually } from "../support/eventually.js";
import { caughtUp } from "./full-disk.js";
import type { DiskStage } from "./stage.js";

/** Where a byte is changed. */
export type Place = "value" | "term" | "dump";

/** Changes one byte of a member's files in place, also under a running member. */
export function damage(stage: DiskStage, place: Place): { path: string; bytes: Buffer } {
  const path = stage.file(place === "dump" ? "dump" : "journal");
  const bytes = damageBytes(readFileSync(path), place);
  writeFileSync(path, bytes, { flag: "r+" });
  return { path, bytes };
}

/** `end`: the journal's end offset as it is where a vanilla member dies amid a rewrite: zero. */
export function damageBytes(bytes: Buffer, place: Place | "end"): Buffer {
  const damaged = Buffer.from(bytes);
  if (place === "end") return damaged.fill(0, journalHeaderBytes - 4, journalHeaderBytes);
  const at = place === "dump" ? Math.floor(bytes.length / 2) : offsetIn(bytes, place);
  damaged[at] = (damaged[at] ?? 0) ^ 0x10;
  return damaged;
}

/** Fewer than the 40 entries above which the stage's members write a dump. */
const recordsMax = 30;

/** No write is under way, and the journal holds some records behind the dump's two. */
export async function holdWithRecords(stage: DiskStage): Promise<void> {
  for (;;) {
    stage.holdWrites();
    await caughtUp(stage);
    const records = recordsIn(stage.file("journal"));
    // With more of them a dump is due, or being written, that would take the damaged one's place.
    if (records > 5 && records < recordsMax) return;
    stage.goOnWriting();
    await stage.more(8);
  }
}

/** Of the journal of a member that writes nothing at the moment. */
export function recordsIn(journal: string): number {
  const bytes = readFileSync(journal);
  const { endOffset } = parseJournalHeader(bytes, crc32);
  let records = 0;
  for (let at = journalHeaderBytes; at < endOffset; at += bytes.readUInt32LE(at) + 8) records++;
  return records;
}

/** In the third record: behind those that a dump would replace. */
function offsetIn(bytes: Buffer, place: "value" | "term"): number {
  let at = journalHeaderBytes;
  for (let skipped = 0; skipped < 2; skipped++) at += bytes.readUInt32LE(at) + 8;
  const { endOffset } = parseJournalHeader(bytes, crc32);
  const size = bytes.readUInt32LE(at);
  assert.ok(at + size < endOffset, "the journal holds three records");
  // The high bytes of a term: of low ones no file of PySyncObj's could tell.
  return place === "term" ? at + 4 + 8 + 5 : at + 4 + size - 10;
}

/** The damaged file as it was stands beside. */
export function assertSetAside(stage: DiskStage, path: string, bytes: Buffer): void {
  const names = readdirSync(stage.victimDir).map((name) => join(stage.victimDir, name));
  const aside = names.filter((name) => name.startsWith(`${path}.damaged-`));
  assert.ok(
    aside.some((name) => readFileSync(name).equals(bytes)),
    `${path} is not among ${names.join(", ")}`,
  );
}

/** Roles that the victim's present process has had while acknowledged state was missing. */
export function rolesBeforeWhole(stage: DiskStage): string[] {
  const lines = stage.victim.logLines();
  const whole = lines.findIndex(({ code }) => code === "refetched");
  const before = whole < 0 ? lines : lines.slice(0, whole);
  return before.flatMap(({ message, role }) => (message === "role" ? [String(role)] : []));
}

/** The victim, started on damaged files, takes what it lacks from the others. */
export async function mends(stage: DiskStage): Promise<void> {
  await caughtUp(stage);
  await eventually(
    "its health is good",
    async () => {
      const reasons = await stage.reasons();
      if (reasons.length > 0) throw new Error(reasons.join(", "));
      return true;
    },
    { timeoutMs: 60_000 },
  );
  assert.ok(
    rolesBeforeWhole(stage).every((role) => role === "follower"),
    "it did not campaign",
  );
}
