import assert from "node:assert/strict";
import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "../support/eventually.js";
import { readJournal } from "../support/journal-reading.js";
import type { Scene } from "../support/scene.js";
import { Ledger } from "./ledger.js";
import {
  type Cast,
  type Part,
  type Patience,
  type Places,
  type Player,
  parts,
  Stage,
} from "./stage.js";

/** More elections than the few that follow the restart: what was written before has a higher term. */
export const highTerm = 6;
const keysBefore = 5;
/** 0.3.15 stores its commit index once a second. */
const metaStoredMs = 1_300;
/** Elections are to succeed, on a busy machine as well. */
const calm: Patience = { minSec: 0.5, maxSec: 1.6 };
const electionMsMax = 45_000;
/** More than the others commit later: the stale log is the longer one as well. */
const tailEntries = 30;

/** Files of three members that were stopped, with what had been acknowledged. */
export interface Journals {
  readonly folders: Readonly<Record<Part, string>>;
  readonly acked: ReadonlyMap<string, string>;
  /** The files of the same members before what made the term dip. */
  readonly earlier?: Readonly<Record<Part, string>>;
}

/** A folder for each member. */
export function makeFolders(scene: Scene, name: string): Readonly<Record<Part, string>> {
  const folder = (part: Part) => scene.makeFolder(join(name, part));
  return { a: folder("a"), b: folder("b"), c: folder("c") };
}

/** The same files again, for one run. */
export function copyOf(journals: Journals, to: Scene): Readonly<Record<Part, string>> {
  const folders = makeFolders(to, "files");
  for (const part of parts) {
    mkdirSync(folders[part], { recursive: true });
    cpSync(journals.folders[part], folders[part], { recursive: true });
  }
  return folders;
}

export interface JournalOptions {
  readonly places: Places;
  readonly cast: Cast;
  /** `b` led at the end, and has appended entries that nobody else holds. It has to be PySyncObj's. */
  readonly hasTail: boolean;
}

/**
 * Three members have been through some elections, and all was written when they were stopped: their
 * journals are equal but for the tail, and the last entries have a high term.
 */
export async function highTermJournals(
  scene: Scene,
  { places, cast, hasTail }: JournalOptions,
): Promise<Journals> {
  const folders = makeFolders(scene, "high-term");
  const patience = { a: calm, b: calm, c: calm };
  const stage = await Stage.start(scene, { places, cast, folders, patience, guardsOff: [] }, null);
  const client = await stage.observer(parts);
  const ledger = new Ledger();
  const waiting = { timeoutMs: electionMsMax };
  for (;;) {
    const { leader, term } = await stage.leaderOf(parts, waiting);
    if (term >= highTerm && (!hasTail || leader.part === "b")) break;
    await stage.cutOff(leader.part);
    await stage.leaderOf(
      parts.filter((part) => part !== leader.part),
      waiting,
    );
    await stage.joinAll();
  }
  await ledger.write(client, "before", keysBefore);
  await client.stop("SIGKILL");
  await eventually("all have applied the same", async () => {
    const all = await Promise.all(stage.all.map((player) => player.data()));
    return new Set(all.map(({ appliedIndex }) => appliedIndex)).size === 1;
  });
  await sleep(metaStoredMs);
  const { a, b, c } = stage.players;
  // All at once, so that none of them sees the others go and begins another election.
  const alone = hasTail ? [a, c] : stage.all;
  await Promise.all(alone.map(({ child }) => child.stop("SIGKILL")));
  const logOf = (part: Part) => readJournal(folders[part], places[part].address);
  if (hasTail) {
    const before = logOf("b");
    await appendAlone(b, () => logOf("b").length - before.length);
    assert.deepEqual(logOf("b").slice(0, before.length), before);
    assert.deepEqual(before, logOf("a"), "b's journal is the others' and more");
  }
  await stage.stop("SIGKILL");
  const logs = (hasTail ? (["a", "c"] as const) : parts).map(logOf);
  for (const log of logs) assert.deepEqual(log, logs[0], "the journals are equal");
  const term = Number(logs[0]?.at(-1)?.term ?? 0);
  assert.ok(term >= highTerm, `the last entry has term ${term}`);
  return { folders, acked: ledger.acked };
}

/** A leader that has lost the others appends what it is given for as long as it thinks that it leads. */
async function appendAlone(leader: Player, appended: () => number): Promise<void> {
  const { client } = leader;
  if (client === null) throw new Error("only PySyncObj's members write themselves");
  const unheard = new Ledger();
  const writing = Array.from({ length: tailEntries }, (_, n) =>
    unheard.tryWrite(client, `/tail/${n}`),
  );
  await eventually("b has appended them", () => appended() >= tailEntries);
  await Promise.all(writing);
  assert.equal(unheard.acked.size, 0, "nobody was told that they are done");
}
