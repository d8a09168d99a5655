import { parseArgs } from "node:util";
import { replayMutant, runMutants } from "./mutation-run.js";
import { profiles } from "./profiles.js";
import { type Outcome, type RunOptions, runSeed } from "./run-seed.js";
import { listed, shrink } from "./shrink.js";

const help = `usage: npm run sim -- [options]

Simulates clusters of Quorate members over disks, wires and clocks that fail. One seed makes one run.

  --seed N        this run alone, with a trace that can be read; --quiet leaves the trace out
  --seeds COUNT   so many runs (default 100) ...
  --from N        ... from this seed on (default 1)
  --hours H       new seeds for so many hours
  --profile NAME  the kind of scenario: ${Object.keys(profiles).join(", ")};
                  by default each in turn
  --faults MS     how long, in simulated milliseconds, faults happen (default 25000)
  --mutants       takes each safety rule out in turn and shows how soon that is found;
                  --seeds is then the bound for each (default 100), --only PATTERN chooses
  --mutant NAME   what the other options say, with that rule taken out
  --until-failure ends at the first run that fails
  --no-shrink     does not look for a shorter run that fails alike
  --json          one line of JSON for each run
  --help          this text
`;

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    seeds: { type: "string" },
    from: { type: "string" },
    hours: { type: "string" },
    profile: { type: "string" },
    faults: { type: "string" },
    only: { type: "string" },
    mutants: { type: "boolean" },
    mutant: { type: "string" },
    quiet: { type: "boolean" },
    json: { type: "boolean" },
    "until-failure": { type: "boolean" },
    "no-shrink": { type: "boolean" },
    help: { type: "boolean" },
  },
});

function number(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0) return value;
  process.stderr.write(`${text} is no number\n`);
  process.exit(2);
}

const print = (line: string) => void process.stdout.write(`${line}\n`);
const profile = values.profile;
if (profile !== undefined && profiles[profile] === undefined) {
  process.stderr.write(`no profile ${profile}: there is ${Object.keys(profiles).join(", ")}\n`);
  process.exit(2);
}
const common = { profile, faultsMs: number(values.faults, 25_000) };
const sum = {
  runs: 0,
  failed: 0,
  steps: 0,
  acknowledged: 0,
  simulatedMs: 0,
  lost: 0,
  losing: 0,
  folded: 0,
};
let isInterrupted = false;
process.on("SIGINT", () => {
  isInterrupted = true;
});

if (values.help === true) print(help);
else if (values.mutant !== undefined) {
  const { mutant: name, ...rest } = values;
  const others = Object.entries(rest).map(([option, value]) =>
    value === true ? `--${option}` : `--${option}=${value}`,
  );
  process.exitCode = await replayMutant(name, others);
} else if (values.mutants === true) {
  const isFound = await runMutants({
    seedsMax: number(values.seeds, 100),
    only: values.only ?? "",
    print,
    isInterrupted: () => isInterrupted,
  });
  process.exitCode = isFound ? 0 : 1;
} else if (values.seed !== undefined) {
  const options = { ...common, seed: number(values.seed, 1) };
  const outcome = await runSeed(values.quiet === true ? options : { ...options, print });
  await report(outcome, options);
} else await runMany();

function add(outcome: Outcome): void {
  const lost = outcome.mixed?.lost.vanilla ?? 0;
  sum.runs += 1;
  sum.steps += outcome.steps;
  sum.acknowledged += outcome.acknowledged;
  sum.simulatedMs += outcome.simulatedMs;
  sum.lost += lost;
  if ((outcome.mixed?.folded ?? 0) > 0) sum.folded += 1;
  if (lost > 0) sum.losing += 1;
  if (outcome.failure !== null) sum.failed += 1;
}

async function runMany(): Promise<void> {
  const hours = values.hours === undefined ? null : number(values.hours, 0);
  const count = hours === null ? number(values.seeds, 100) : Number.POSITIVE_INFINITY;
  const first = number(values.from, hours === null ? 1 : Date.now() % 1_000_000_000);
  const endMs = hours === null ? Number.POSITIVE_INFINITY : performance.now() + hours * 3_600_000;
  print(`seeds from ${first} on`);
  let toldMs = performance.now();
  for (let seed = first; seed < first + count && performance.now() < endMs; seed += 1) {
    if (isInterrupted) break;
    const options = { ...common, seed };
    const outcome = await runSeed(options);
    add(outcome);
    if (outcome.failure !== null || values.json === true) await report(outcome, options);
    if (outcome.failure !== null && values["until-failure"] === true) break;
    if (performance.now() - toldMs > 10_000 && values.json !== true) {
      toldMs = performance.now();
      print(`${sum.runs} runs, seed ${seed}, ${sum.failed} failed`);
    }
  }
  if (values.json === true) return;
  print(
    `${sum.runs} runs, ${sum.failed} failed: ${Math.round(sum.simulatedMs / 1_000)} s of simulated time, ` +
      `${sum.steps} events traced, ${sum.acknowledged} writes acknowledged`,
  );
  print(`vanilla members lost ${sum.lost} acknowledged writes in ${sum.losing} runs`);
  if (sum.folded > 0)
    print(`stores were compared with all that was committed in ${sum.folded} mixed runs`);
}

async function report(outcome: Outcome, options: RunOptions): Promise<void> {
  const { seed, profile: name, failure, invariant, acknowledged, committed } = outcome;
  if (failure !== null) process.exitCode = 1;
  if (values.json === true) {
    print(JSON.stringify({ seed, profile: name, invariant, message: failure?.message }));
    return;
  }
  if (failure === null) {
    const hash = outcome.hash.toString(16).padStart(8, "0");
    print(
      `seed ${seed} (${name}): well, ${acknowledged} writes acknowledged, ${committed} entries, trace ${hash}`,
    );
    return;
  }
  print(`seed ${seed} (${name}) FAILED: ${failure.stack ?? failure.message}`);
  const chosen = profile === undefined ? "" : ` --profile ${profile}`;
  print(`again, with its trace: npm run sim -- --seed ${seed}${chosen}`);
  if (values["no-shrink"] === true) return;
  const shorter = await shrink(outcome, options, 60);
  print(`${shorter.deeds.length} of its ${outcome.deeds.length} deeds are enough to fail:`);
  for (const line of listed(shorter.deeds)) print(line);
}
