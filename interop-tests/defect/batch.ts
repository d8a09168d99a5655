import { cpSync } from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { GuardName } from "../../src/raft/types.js";
import { Scene } from "../support/scene.js";
import { highTerm, highTermJournals, type Journals } from "./journals.js";
import { type Cast, findPlaces, type Places } from "./stage.js";
import {
  type DipVariant,
  dippedJournals,
  dipRun,
  forcedRun,
  type Outcome,
  restartRun,
} from "./trace.js";

export const scenarios = [
  "forced",
  "forced-tail",
  "takeover",
  "dip",
  "dip-tail",
  "restart",
] as const;
export type Scenario = (typeof scenarios)[number];

export interface BatchOptions {
  readonly scenario: Scenario;
  readonly cast: Cast;
  /** Who wrote the journals, where the scenario is about taking over. */
  readonly writers: Cast;
  readonly guardsOff: readonly GuardName[];
  readonly runs: number;
  /** Runs at the same time, each on addresses of its own. */
  readonly parallel: number;
  /** Where the logs of runs that went wrong are kept; null: nowhere. */
  readonly keepIn: string | null;
  /** Ends the batch early. */
  readonly signal?: AbortSignal;
}

export interface Run extends Outcome {
  readonly number: number;
  /** In the scenarios `dip` and `dip-tail`. */
  readonly variant: DipVariant | null;
  readonly seconds: number;
  /** The longest that this process had no turn, in ms: the members had none either, then. */
  readonly stalledMs: number;
  /** How often the Quorate members said each thing that has a code. */
  readonly notes: Readonly<Record<string, number>>;
}

export interface Totals {
  readonly runs: number;
  readonly diverged: number;
  readonly runsWithLosses: number;
  readonly acknowledged: number;
  readonly lost: number;
  readonly unsettled: number;
  /** Of those, runs in which the machine stood still for longer than an election takes. */
  readonly unsettledByStall: number;
  /** Runs in which `a` and `c` committed at a term below that of the journals: the trace came about. */
  readonly dipped: number;
  readonly overtaken: number;
  /** Runs with a late member, and those of them in which the others had a leader before it came. */
  readonly late: number;
  readonly ledWithoutLate: number;
  /** Longest wait for a leader, in ms, of the runs that got one. */
  readonly leaderMsMax: number;
}

/** Runs on the same journals; then others are made. */
const runsPerJournals = 10;
const stallMsMin = 2_000;
/** On a machine that is too busy for elections the journals are not always made at once. */
const attemptsMax = 5;
const variants: readonly DipVariant[] = [false, true].flatMap((isMetaOld) =>
  ([null, "a", "b", "c"] as const).map((late) => ({ late, isMetaOld })),
);

/** Runs a scenario so many times; each run is told of when it has ended. */
export async function runBatch(
  options: BatchOptions,
  tell: (run: Run) => void,
): Promise<readonly Run[]> {
  const done: Run[] = [];
  let next = 1;
  /** Journals that did not come about. */
  let attempts = 0;
  const isOver = () => next > options.runs || options.signal?.aborted === true;
  const lane = async () => {
    const places = await findPlaces();
    while (!isOver()) {
      const scene = new Scene();
      try {
        const journals = await makeJournals(scene, options, places).catch((error: unknown) => {
          keep(scene, options, `journals-${attempts}`);
          attempts += 1;
          if (attempts > attemptsMax) throw error;
          return null;
        });
        if (journals === null) continue;
        for (let n = 0; n < runsPerJournals && !isOver(); n++) {
          const number = next;
          next += 1;
          const run = await oneRun(options, places, journals, number);
          done.push(run);
          tell(run);
        }
      } finally {
        await scene.close();
      }
    }
  };
  await Promise.all(Array.from({ length: options.parallel }, lane));
  return done;
}

function keep(scene: Scene, { keepIn }: BatchOptions, name: string): void {
  if (keepIn !== null) cpSync(scene.folder, join(keepIn, name), { recursive: true });
}

async function makeJournals(
  scene: Scene,
  { scenario, cast, writers }: BatchOptions,
  places: Places,
): Promise<Journals> {
  const authors = scenario === "forced" || scenario === "restart" ? cast : writers;
  const hasTail = scenario === "forced-tail" || scenario === "dip-tail";
  const high = await highTermJournals(scene, { places, cast: authors, hasTail });
  if (!isAboutDips(scenario)) return high;
  return await dippedJournals(scene, { places, cast: writers, guardsOff: [] }, high);
}

function isAboutDips(scenario: Scenario): boolean {
  return scenario === "dip" || scenario === "dip-tail";
}

async function oneRun(
  batch: BatchOptions,
  places: Places,
  journals: Journals,
  number: number,
): Promise<Run> {
  const startedMs = performance.now();
  const { scenario, cast, guardsOff } = batch;
  const variant = isAboutDips(scenario) ? (variants[number % variants.length] ?? null) : null;
  const scene = new Scene();
  const options = { places, cast, guardsOff };
  const delay = monitorEventLoopDelay();
  delay.enable();
  try {
    const outcome = await outcomeOf(scene, scenario, { options, journals, variant });
    const seconds = (performance.now() - startedMs) / 1000;
    const stalledMs = Math.round(delay.max / 1e6);
    const run: Run = { ...outcome, number, variant, seconds, stalledMs, notes: notesOf(scene) };
    if (hasGoneWrong(run)) keep(scene, batch, `run-${number}`);
    return run;
  } finally {
    delay.disable();
    await scene.close();
  }
}

interface Given {
  readonly options: Parameters<typeof forcedRun>[1];
  readonly journals: Journals;
  readonly variant: DipVariant | null;
}

function outcomeOf(
  scene: Scene,
  scenario: Scenario,
  { options, journals, variant }: Given,
): Promise<Outcome> {
  switch (scenario) {
    case "forced":
    case "forced-tail":
    case "takeover":
      return forcedRun(scene, options, journals);
    case "dip":
    case "dip-tail":
      return dipRun(scene, options, journals, variant ?? { late: null, isMetaOld: false });
    case "restart":
      return restartRun(scene, options, journals);
  }
}

/** Every member must hold every acknowledged write, and all the same, under one leader. */
export function hasGoneWrong(run: Outcome): boolean {
  return run.divergence.length > 0 || run.lost.length > 0 || run.unsettled !== null;
}

/** The machine stood still for longer than an election takes: what was seen then says little. */
export function isSpoilt({ stalledMs }: Run): boolean {
  return stalledMs > stallMsMin;
}

export function totalsOf(runs: readonly Run[]): Totals {
  const count = (holds: (run: Run) => boolean) => runs.filter(holds).length;
  const sum = (of: (run: Run) => number) => runs.reduce((total, run) => total + of(run), 0);
  return {
    runs: runs.length,
    diverged: count((run) => run.divergence.length > 0),
    runsWithLosses: count((run) => run.lost.length > 0),
    acknowledged: sum((run) => run.acknowledged),
    lost: sum((run) => run.lost.length),
    unsettled: count((run) => run.unsettled !== null),
    unsettledByStall: count((run) => run.unsettled !== null && isSpoilt(run)),
    dipped: count((run) => (run.committedBy?.term ?? highTerm) < highTerm),
    overtaken: count((run) => run.overtaken),
    late: count((run) => run.ledWithoutLate !== null),
    ledWithoutLate: count((run) => run.ledWithoutLate === true),
    leaderMsMax: Math.max(0, ...runs.map((run) => run.leaderMs ?? 0)),
  };
}

function notesOf(scene: Scene): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const child of scene.children.filter(({ name }) => name.startsWith("quorate "))) {
    for (const [, code = ""] of child.log().matchAll(/"code":"([\w-]+)"/g)) {
      counts[code] = (counts[code] ?? 0) + 1;
    }
  }
  return counts;
}
