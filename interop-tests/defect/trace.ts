import { cpSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../support/eventually.js";
import { readJournal } from "../support/journal-reading.js";
import type { Scene } from "../support/scene.js";
import type { VanillaNode } from "../support/vanilla-client.js";
import { copyOf, type Journals } from "./journals.js";
import { Ledger } from "./ledger.js";
import {
  type Part,
  type Patience,
  parts,
  Stage,
  type StageOptions,
  startObserver,
} from "./stage.js";

/** `a` is to lead first and `b` to be quick once it can; `c` only follows, on a busy machine as well. */
const tracePatience: Readonly<Record<Part, Patience>> = {
  a: { minSec: 0.4, maxSec: 0.8 },
  b: { minSec: 0.4, maxSec: 0.8 },
  c: { minSec: 3, maxSec: 3.4 },
};
/** Acknowledged while the stale member is cut off. */
const traceWrites = 6;
/**
 * A vanilla `b` needs two or three elections of 0.6 s. Where it is refused, or does not try, this is the
 * time lost; among vanilla members alone it comes to an end.
 */
const overtakeMsMax = 4_000;
const overtakeAmongVanillaMsMax = 20_000;
const lookEveryMs = 150;
const leaderMsMax = 30_000;
/** How long the late one of three members is away at most: until the others have a leader. */
const lateMs = 5_000;
/** The writer goes on for longer than the 5 s that upstream waits between attempts to connect. */
const eagerMs = 8_000;

/** What came of one run. */
export interface Outcome {
  readonly acknowledged: number;
  /** Lines that say how the members' data differ; empty: they do not. */
  readonly divergence: readonly string[];
  readonly lost: readonly string[];
  /** Why there was no leader, or why the members did not come to the same index; null: all well. */
  readonly unsettled: string | null;
  /** Who committed while `b` was cut off, and in which term; null where that is no part of the run. */
  readonly committedBy: { readonly part: Part; readonly term: number } | null;
  /** The others had a leader while the late member was away; null: there was none. */
  readonly ledWithoutLate: boolean | null;
  /** The stale member led while it was joined with `c` alone. */
  readonly overtaken: boolean;
  /** From when all could reach each other (or all were started) to a leader that all follow, in ms. */
  readonly leaderMs: number | null;
}

export type RunOptions = Omit<StageOptions, "folders" | "patience">;

/** From equal journals: `a` and `c` commit while `b` is cut off, then `b` meets `c`, then all. */
export async function forcedRun(
  scene: Scene,
  options: RunOptions,
  journals: Journals,
): Promise<Outcome> {
  const ledger = new Ledger(journals.acked);
  const { stage, client, fault, committedBy } = await begin(scene, options, journals, ledger);
  if (fault !== null) {
    stage.close();
    return { ...unsettled(ledger, fault), committedBy };
  }
  await stage.join("b", "c");
  const overtaken = await hasOvertaken(stage);
  await stage.joinAll();
  return { ...(await finish(stage, client, ledger)), committedBy, overtaken };
}

function unsettled(ledger: Ledger, error: unknown): Outcome {
  return {
    acknowledged: ledger.acked.size,
    divergence: [],
    lost: [],
    unsettled: error instanceof Error ? error.message : String(error),
    committedBy: null,
    ledWithoutLate: null,
    overtaken: false,
    leaderMs: null,
  };
}

export async function hasOvertaken(stage: Stage): Promise<boolean> {
  const isVanilla = stage.all.every(({ actor }) => actor !== "quorate");
  const timeoutMs = isVanilla ? overtakeAmongVanillaMsMax : overtakeMsMax;
  try {
    await eventually(
      "b leads c",
      async () => {
        const { b, c } = stage.players;
        const [ofB, ofC] = await Promise.all([b.state(), c.state()]);
        return ofB.leader === b.address && ofC.leader === b.address;
      },
      { timeoutMs, everyMs: lookEveryMs },
    );
    return true;
  } catch {
    return false;
  }
}

export interface Begun {
  readonly stage: Stage;
  readonly client: VanillaNode;
  /** What kept them from it: no leader, no acknowledgement. */
  readonly fault: unknown;
  readonly committedBy: Outcome["committedBy"];
}

/** Up to the point where `a` and `c` have acknowledged what `b` does not hold. */
export async function begin(
  scene: Scene,
  options: RunOptions,
  journals: Journals,
  ledger: Ledger,
): Promise<Begun> {
  const folders = copyOf(journals, scene);
  const stage = await Stage.start(scene, { ...options, folders, patience: tracePatience }, "b");
  const client = await stage.observer(parts);
  try {
    const { leader, term } = await stage.leaderOf(["a", "c"], { timeoutMs: leaderMsMax });
    await ledger.write(client, "trace", traceWrites);
    return { stage, client, fault: null, committedBy: { part: leader.part, term } };
  } catch (fault) {
    return { stage, client, fault, committedBy: null };
  }
}

/** All can reach each other: who leads, and what has each one? */
async function finish(stage: Stage, client: VanillaNode, ledger: Ledger): Promise<Outcome> {
  const startedMs = performance.now();
  let leaderMs: number | null = null;
  try {
    await stage.leaderOf(parts, { timeoutMs: leaderMsMax });
    leaderMs = Math.round(performance.now() - startedMs);
    await ledger.write(client, "after", traceWrites);
    const { divergence, lost } = await ledger.compare(stage.all, client);
    const acknowledged = ledger.acked.size;
    const settled = { unsettled: null, committedBy: null, ledWithoutLate: null };
    return { acknowledged, divergence, lost, leaderMs, ...settled, overtaken: false };
  } catch (error) {
    return { ...unsettled(ledger, error), leaderMs };
  } finally {
    stage.close();
  }
}

/** As far as a term dip in the journals of `a` and `c`, which `b` knows nothing of; then all killed. */
export async function dippedJournals(
  scene: Scene,
  options: RunOptions,
  journals: Journals,
): Promise<Journals> {
  const ledger = new Ledger(journals.acked);
  const { stage, client, fault } = await begin(scene, options, journals, ledger);
  if (fault !== null) throw fault;
  await client.stop("SIGKILL");
  const folders = scene.makeFolder("files");
  await stage.stop("SIGKILL");
  const lastTerm = (part: Part) => {
    const log = readJournal(`${folders}/${part}`, options.places[part].address);
    return Number(log.at(-1)?.term ?? 0);
  };
  const terms = { a: lastTerm("a"), b: lastTerm("b"), c: lastTerm("c") };
  if (terms.a >= terms.b || terms.c >= terms.b) {
    throw new Error(`no term dip: a ${terms.a}, b ${terms.b}, c ${terms.c}`);
  }
  const at = (part: Part) => `${folders}/${part}`;
  return {
    folders: { a: at("a"), b: at("b"), c: at("c") },
    acked: ledger.acked,
    earlier: journals.folders,
  };
}

/**
 * How a run on journals with a dip differs from others: a member that comes late, and meta files as they
 * were before the dip. 0.3.15 stores its commit index once a second: killed in the second in which it
 * committed, it has left the old one.
 */
export interface DipVariant {
  readonly late: Part | null;
  readonly isMetaOld: boolean;
}

/** On journals with a term dip: all at once, or one of them comes late. */
export async function dipRun(
  scene: Scene,
  options: RunOptions,
  journals: Journals,
  { late, isMetaOld }: DipVariant,
): Promise<Outcome> {
  const ledger = new Ledger(journals.acked);
  const folders = copyOf(journals, scene);
  if (isMetaOld && journals.earlier !== undefined) {
    for (const part of parts) {
      const name = `${options.places[part].address}.journal.meta`;
      cpSync(join(journals.earlier[part], name), join(folders[part], name));
    }
  }
  const even: Patience = { minSec: 0.4, maxSec: 1.4 };
  const patience = { a: even, b: even, c: even };
  const stage = await Stage.start(scene, { ...options, folders, patience }, late);
  const client = await stage.observer(parts);
  const others = parts.filter((part) => part !== late);
  const ledWithoutLate =
    late === null
      ? null
      : await stage.leaderOf(others, { timeoutMs: lateMs }).then(
          () => true,
          () => false,
        );
  await stage.joinAll();
  return { ...(await finish(stage, client, ledger)), ledWithoutLate };
}

/** A plain restart of all three, nothing in their way, under clients that write as soon as they can. */
export async function restartRun(
  scene: Scene,
  options: RunOptions,
  journals: Journals,
): Promise<Outcome> {
  const ledger = new Ledger(journals.acked);
  const folders = copyOf(journals, scene);
  // As many writers whoever sits there: PySyncObj's members write themselves, ours have an observer each.
  const seats = parts.filter((part) => options.cast[part] === "quorate");
  const observing = [parts[0], ...seats].map(() => startObserver(scene, options, parts));
  const [client, ...more] = await Promise.all(observing);
  if (client === undefined) throw new Error("no client");
  const stage = await Stage.start(scene, { ...options, folders }, null);
  const writing = AbortSignal.timeout(eagerMs);
  const clients = [client, ...more, ...stage.all.flatMap((player) => player.client ?? [])];
  await Promise.all(clients.map((each, n) => ledger.keepWriting(each, `eager-${n}`, writing)));
  return finish(stage, client, ledger);
}
