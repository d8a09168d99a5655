import { SoakArguments } from "../../interop-tests/support/soak-arguments.js";
import { mutants } from "./mutants.js";
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
  --no-sweeps     without recursive deletes: what a seed made before there were any
  --until-failure ends at the first run that fails
  --no-shrink     does not look for a shorter run that fails alike
  --json          one line of JSON for each run
  --help          this text
`;

const given = new SoakArguments({
  program: "npm run sim",
  help,
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
    "no-sweeps": { type: "boolean" },
    help: { type: "boolean" },
  },
});

const print = (line: string) => void process.stdout.write(`${line}\n`);
const profile =
  given.text("profile") === undefined ? undefined : given.word("profile", Object.keys(profiles));
const common = {
  profile,
  faultsMs: given.number("faults", { otherwise: 25_000 }),
  sweeps: !given.isSet("no-sweeps"),
};
const hours = given.text("hours") === undefined ? null : given.number("hours", { from: 0.0001 });
const count = given.count("seeds", { otherwise: 100 });
const first = given.count("from", {
  from: 0,
  otherwise: hours === null ? 1 : Date.now() % 1_000_000_000,
});
const oneSeed = given.text("seed") === undefined ? null : given.count("seed", { from: 0 });
const names = mutants.map(({ name }) => name);
const mutant = given.text("mutant") === undefined ? null : given.word("mutant", names);
const sum = {
  runs: 0,
  failed: 0,
  steps: 0,
  acknowledged: 0,
  simulatedMs: 0,
  lost: 0,
  losing: 0,
  folded: 0,
  heldBack: 0,
  holding: 0,
  torn: 0,
  unproven: 0,
};
let isInterrupted = false;
process.on("SIGINT", () => {
  isInterrupted = true;
});

const replayed = mutants.find(({ name }) => name === mutant);
if (replayed !== undefined) {
  process.exitCode = await replayMutant(replayed, given.without("mutant"));
} else if (given.isSet("mutants")) {
  const isFound = await runMutants({
    seedsMax: count,
    only: given.text("only") ?? "",
    print,
    isInterrupted: () => isInterrupted,
  });
  process.exitCode = isFound ? 0 : 1;
} else if (oneSeed !== null) {
  const options = { ...common, seed: oneSeed };
  const outcome = await runSeed(given.isSet("quiet") ? options : { ...options, print });
  await report(outcome, options);
} else await runMany();

function add(outcome: Outcome): void {
  const lost = outcome.mixed?.lost.vanilla ?? 0;
  sum.runs += 1;
  sum.steps += outcome.steps;
  sum.acknowledged += outcome.acknowledged;
  sum.simulatedMs += outcome.simulatedMs;
  sum.lost += lost;
  const heldBack = outcome.mixed?.heldBack ?? 0;
  if ((outcome.mixed?.folded ?? 0) > 0) sum.folded += 1;
  sum.heldBack += heldBack;
  if (heldBack > 0) sum.holding += 1;
  if (lost > 0) sum.losing += 1;
  if (outcome.failure !== null) sum.failed += 1;
  if (outcome.gaveUp !== null) sum[outcome.gaveUp] += 1;
}

async function runMany(): Promise<void> {
  const end = hours === null ? first + count : Number.POSITIVE_INFINITY;
  const endMs = hours === null ? Number.POSITIVE_INFINITY : performance.now() + hours * 3_600_000;
  print(`seeds from ${first} on`);
  let toldMs = performance.now();
  for (let seed = first; seed < end && performance.now() < endMs; seed += 1) {
    if (isInterrupted) break;
    const options = { ...common, seed };
    const outcome = await runSeed(options);
    add(outcome);
    if (outcome.failure !== null || given.isSet("json")) await report(outcome, options);
    if (outcome.failure !== null && given.isSet("until-failure")) break;
    if (performance.now() - toldMs > 10_000 && !given.isSet("json")) {
      toldMs = performance.now();
      print(`${sum.runs} runs, seed ${seed}, ${sum.failed} failed`);
    }
  }
  if (sum.runs === 0) process.exitCode = 1;
  if (given.isSet("json")) return;
  print(
    `${sum.runs} runs, ${sum.failed} failed: ${Math.round(sum.simulatedMs / 1_000)} s of simulated time, ` +
      `${sum.steps} events traced, ${sum.acknowledged} writes acknowledged`,
  );
  print(`vanilla members lost ${sum.lost} acknowledged writes in ${sum.losing} runs`);
  print(
    `not held to agree in the end: ${sum.torn} runs torn, ${sum.unproven} unproven (docs/simulation.md)`,
  );
  if (sum.folded > 0)
    print(`stores were compared with all that was committed in ${sum.folded} mixed runs`);
  if (sum.heldBack > 0)
    print(`members came to be held back ${sum.heldBack} times in ${sum.holding} runs`);
}

async function report(outcome: Outcome, options: RunOptions): Promise<void> {
  const { seed, profile: name, failure, invariant, acknowledged, committed, gaveUp } = outcome;
  if (failure !== null) process.exitCode = 1;
  if (given.isSet("json")) {
    print(JSON.stringify({ seed, profile: name, invariant, gaveUp, message: failure?.message }));
    return;
  }
  if (failure === null) {
    const hash = outcome.hash.toString(16).padStart(8, "0");
    print(
      `seed ${seed} (${name}): well${gaveUp === null ? "" : ` (${gaveUp} in the end)`}, ${acknowledged} writes acknowledged, ${committed} entries, trace ${hash}`,
    );
    return;
  }
  print(`seed ${seed} (${name}) FAILED: ${failure.stack ?? failure.message}`);
  const sweeps = options.sweeps === false ? " --no-sweeps" : "";
  const chosen = profile === undefined ? sweeps : ` --profile ${profile}${sweeps}`;
  print(`again, with its trace: npm run sim -- --seed ${seed}${chosen}`);
  if (given.isSet("no-shrink")) return;
  const shorter = await shrink(outcome, options, 60);
  print(`${shorter.deeds.length} of its ${outcome.deeds.length} deeds are enough to fail:`);
  for (const line of listed(shorter.deeds)) print(line);
}
