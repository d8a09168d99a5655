import { cpSync, existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "../support/eventually.js";
import type { Scene } from "../support/scene.js";
import { highTermJournals } from "./journals.js";
import { Ledger } from "./ledger.js";
import { type Cast, findPlaces, type Part, type Places, parts, type Stage } from "./stage.js";
import { begin, hasOvertaken } from "./trace.js";

/**
 * When the files were copied: moments of the trace, in their order. `killed` is in the second in which
 * the writes were committed, when their members have not stored yet that they are.
 */
export const moments = ["equal", "killed", "cut-off", "overtaken", "rejoined", "dumped"] as const;
export type Moment = (typeof moments)[number];

/** What the defect leaves in the members' directories, moment by moment. */
export interface LeftBehind {
  readonly places: Places;
  /** The directory of each member at each moment. */
  readonly at: Readonly<Record<Moment, readonly string[]>>;
  /** Acknowledged while the stale member was cut off: lost at the end. */
  readonly lostKeys: readonly string[];
  /** All that was acknowledged. */
  readonly acked: ReadonlyMap<string, string>;
}

/** 0.3.15 stores its commit index once a second. */
const metaStoredMs = 1_300;
const leaderMsMax = 30_000;
const writesAfter = 10;

/**
 * The forced trace with three members of 0.3.15, whose directories are copied at each moment while they run.
 */
export async function leaveBehind(scene: Scene): Promise<LeftBehind> {
  const places = await findPlaces();
  const cast: Cast = { a: "0.3.15", b: "0.3.15", c: "0.3.15" };
  const journals = await highTermJournals(scene, { places, cast, hasTail: false });
  const ledger = new Ledger(journals.acked);
  const options = { places, cast, guardsOff: [] };
  const { stage, client, fault } = await begin(scene, options, journals, ledger);
  if (fault !== null) throw fault;
  const lostKeys = [...ledger.acked.keys()].filter((key) => !journals.acked.has(key));
  const killed = await copyAll(scene, stage, "killed");
  await sleep(metaStoredMs);
  const cutOff = await copyAll(scene, stage, "cut-off");
  await stage.join("b", "c");
  if (!(await hasOvertaken(stage))) throw new Error("b has not come to lead");
  await sleep(metaStoredMs);
  const overtaken = await copyAll(scene, stage, "overtaken");
  await stage.joinAll();
  await stage.leaderOf(parts, { timeoutMs: leaderMsMax });
  await ledger.write(client, "after", writesAfter);
  await sleep(metaStoredMs);
  const rejoined = await copyAll(scene, stage, "rejoined");
  await Promise.all(stage.all.map((player) => player.client?.compact()));
  await eventually("all have a dump", () =>
    parts.every((part) =>
      existsSync(join(stage.options.folders[part], `${places[part].address}.dump`)),
    ),
  );
  await sleep(metaStoredMs);
  const dumped = await copyAll(scene, stage, "dumped");
  await stage.stop("SIGKILL");
  const equal = parts.map((part) => journals.folders[part]);
  const at = { equal, killed, "cut-off": cutOff, overtaken, rejoined, dumped };
  return { places, at, lostKeys, acked: ledger.acked };
}

async function copyAll(scene: Scene, stage: Stage, moment: Moment): Promise<readonly string[]> {
  const folder = scene.makeFolder(join("left", moment));
  return parts.map((part: Part) => {
    const to = join(folder, part);
    cpSync(stage.options.folders[part], to, { recursive: true });
    return to;
  });
}
