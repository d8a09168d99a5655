import { Coverage } from "./coverage.js";
import { decoderTargets } from "./decoder-targets.js";
import { type Find, Fuzzer, type Tally, type Target } from "./fuzzer.js";
import { wireTargets } from "./wire-targets.js";

export const targets: readonly Target[] = [...wireTargets, ...decoderTargets];

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
function guided(fuzzer: Fuzzer, coverage: Coverage, executions: number): void {
  while (fuzzer.tally.executions < executions) {
    const inputs = Array.from({ length: batch }, () => fuzzer.step());
    if (coverage.take() === 0) continue;
    // What was new is not new any more: all that is known is that the batch leads somewhere.
    for (const input of inputs.filter((_, at) => at % 8 === 0)) fuzzer.keep(input);
  }
}

export function runPlan(plan: Plan): Report {
  const { seed, onProgress } = plan;
  const each = Math.ceil(plan.executions / plan.targets.length);
  const fuzzers = plan.targets.map((target, at) => new Fuzzer(target, seed + at * 7_919));
  let blocks = 0;
  const coverage = new Coverage(covered);
  try {
    coverage.take();
    for (const fuzzer of fuzzers) guided(fuzzer, coverage, each * plan.guidedShare);
    blocks = coverage.blocks;
  } finally {
    coverage.close();
  }
  let told = 0;
  for (let goal = 0; goal < each && performance.now() < (plan.untilMs ?? Infinity); ) {
    goal = Math.min(each, goal + turnInputs);
    let total = 0;
    for (const fuzzer of fuzzers) {
      while (fuzzer.tally.executions < goal) fuzzer.step();
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
