import { Coverage } from "./coverage.js";
import { decoderTargets } from "./decoder-targets.js";
import { dumpTargets } from "./dump-targets.js";
import { entryPieces } from "./entry-pieces-target.js";
import { type Find, Fuzzer, type Tally, type Target } from "./fuzzer.js";
import { text } from "./text-target.js";
import { wireTargets } from "./wire-targets.js";

export const targets: readonly Target[] = [
  ...wireTargets,
  ...decoderTargets,
  ...dumpTargets,
  entryPieces,
  text,
];

export interface Plan {
  readonly targets: readonly Target[];
  readonly seed: number;
  readonly executions: number;
  /** Share of the executions that are guided by coverage; the rest goes on from what they found. */
  readonly guidedShare: number;
  /** By the clock of performance.now: when to end before all are done. */
  readonly untilMs?: number;
  readonly onProgress?: (line: string) => void;
}

export interface Report {
  readonly tallies: ReadonlyMap<string, Tally & { readonly pool: number }>;
  readonly finds: readonly Find[];
  readonly blocks: number;
}

/** Inputs after which it is asked whether anything new has run; one look takes milliseconds. */
const batch = 200;
const progressEvery = 200_000;
/** The targets take turns. */
const turnInputs = 1_000;
const covered = ["/dist/protocol/", "/dist/src/store/", "/dist/src/storage/"];

/** Half of the guided inputs go to batches, the other half to finding which one it was. */
async function guided(fuzzer: Fuzzer, coverage: Coverage, executions: number): Promise<void> {
  while (fuzzer.tally.executions < executions) {
    const inputs: Uint8Array[] = [];
    while (inputs.length < batch) inputs.push(await fuzzer.step());
    if (coverage.take() === 0) continue;
    // What was new is not new any more: all that is known is that the batch leads somewhere.
    for (const input of inputs.filter((_, at) => at % 8 === 0)) fuzzer.keep(input);
  }
}

export async function runPlan(plan: Plan): Promise<Report> {
  const { seed, onProgress } = plan;
  const shares = plan.targets.reduce((sum, { share = 1 }) => sum + share, 0);
  const each = Math.ceil(plan.executions / shares);
  const fuzzers = plan.targets.map((target, at) => new Fuzzer(target, seed + at * 7_919));
  let blocks = 0;
  const coverage = new Coverage(covered);
  try {
    coverage.take();
    for (const fuzzer of fuzzers) {
      await guided(fuzzer, coverage, each * plan.guidedShare * (fuzzer.target.share ?? 1));
    }
    blocks = coverage.blocks;
  } finally {
    coverage.close();
  }
  let told = 0;
  for (let goal = 0; goal < each && performance.now() < (plan.untilMs ?? Infinity); ) {
    goal = Math.min(each, goal + turnInputs);
    let total = 0;
    for (const fuzzer of fuzzers) {
      const own = goal * (fuzzer.target.share ?? 1);
      while (fuzzer.tally.executions < own) await fuzzer.step();
      total += fuzzer.tally.executions;
    }
    if (total - told < progressEvery) continue;
    told = total;
    onProgress?.(`${total} executions, ${fuzzers.flatMap(({ finds }) => finds).length} finds`);
  }
  return {
    tallies: new Map(
      fuzzers.map(({ target, tally, poolSize }) => [target.name, { ...tally, pool: poolSize }]),
    ),
    finds: fuzzers.flatMap(({ finds }) => finds),
    blocks,
  };
}
