import { mkdirSync } from "node:fs";
import { type GuardName, guardNames } from "../../src/raft/types.js";
import {
  type BatchOptions,
  hasGoneWrong,
  type Run,
  runBatch,
  scenarios,
  totalsOf,
} from "../defect/batch.js";
import type { Actor, Cast } from "../defect/stage.js";
import type { DipVariant } from "../defect/trace.js";
import { SoakArguments } from "../support/soak-arguments.js";

const help = `usage: npm run soak -- upstream-defect [options]

Drives three real members into the divergence of PySyncObj up to 0.3.15, with Quorate in the seats that
you name, and counts what was lost. docs/upstream-defect.md explains it.

  --scenario NAME    forced    a leads at a low term and commits with c while b is cut off; b comes back
                     takeover  the same on journals that --writers left
                     dip       journals of --writers that hold a term dip already; then these seats
                     dip-tail  the same, and b holds entries of the old high term that nobody else has
                     forced-tail  as takeover, and b holds entries of the old high term that nobody
                               else has: its log is the longer one as well
                     restart   all three restart at once under clients that write
                     (default: forced)
  --seats A,B,C      who sits where: quorate, or a version of PySyncObj (default: 0.3.15,0.3.15,0.3.15)
  --writers A,B,C    who wrote the journals (default: 0.3.15,0.3.15,0.3.15)
  --guards-off LIST  guards that the Quorate members do without, or all:
                     ${guardNames.slice(0, 3).join(", ")},
                     ${guardNames.slice(3).join(", ")}
  --runs N           (default: 10)
  --parallel N       clusters at the same time (default: 1)
  --keep FOLDER      copy files and logs of runs that went wrong there
  --json             totals and runs as JSON on standard output
  --help

Exit code 1: a run could not be carried out, or one with Quorate members and all guards went wrong;
2: an option makes no sense.
`;

const flags = {
  scenario: { type: "string", default: "forced" },
  seats: { type: "string", default: "0.3.15,0.3.15,0.3.15" },
  writers: { type: "string", default: "0.3.15,0.3.15,0.3.15" },
  "guards-off": { type: "string", default: "" },
  runs: { type: "string", default: "10" },
  parallel: { type: "string", default: "1" },
  keep: { type: "string" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

function castOf(text: string): Cast {
  const [a, b, c, ...more] = text.split(",").map(actorOf);
  if (a === undefined || b === undefined || c === undefined || more.length > 0) {
    throw new Error(`${text}: three seats are needed, e.g. quorate,0.3.15,0.3.15`);
  }
  return { a, b, c };
}

function actorOf(text: string): Actor {
  if (text === "quorate") return text;
  const [major, minor, patch, ...more] = text.split(".").map(Number);
  const isVersion = [major, minor, patch].every(Number.isSafeInteger) && more.length === 0;
  if (!isVersion || major === undefined || minor === undefined || patch === undefined) {
    throw new Error(`${text} is neither quorate nor a version of PySyncObj`);
  }
  return `${major}.${minor}.${patch}`;
}

function guardsOf(text: string): readonly GuardName[] {
  if (text === "all") return guardNames;
  if (text === "") return [];
  return text.split(",").map((name) => {
    const guard = guardNames.find((each) => each === name);
    if (guard === undefined)
      throw new Error(`no guard is called ${name}: ${guardNames.join(", ")}`);
    return guard;
  });
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function described({ late, isMetaOld }: DipVariant): string {
  const who = late === null ? "all at once" : `${late} came late`;
  return isMetaOld ? `${who}, old commit index` : who;
}

function tell(run: Run): void {
  const what = [
    run.divergence.length > 0 ? "DIVERGED" : null,
    run.lost.length > 0 ? `${run.lost.length} acknowledged writes LOST` : null,
    run.unsettled === null ? null : `NOT SETTLED: ${run.unsettled}`,
    hasGoneWrong(run) ? null : "all equal",
    run.committedBy === null ? null : `${run.committedBy.part} led in term ${run.committedBy.term}`,
    run.overtaken ? "the stale member led" : null,
    run.variant === null ? null : described(run.variant),
    run.ledWithoutLate === false ? "no leader without it" : null,
    run.leaderMs === null ? null : `leader after ${run.leaderMs} ms`,
    run.stalledMs > 1000 ? `the machine stood still for ${run.stalledMs} ms` : null,
    ...Object.entries(run.notes).map(([code, count]) => `${code} ${count}`),
  ];
  const seconds = run.seconds.toFixed(1);
  say(`run ${run.number} (${seconds} s): ${what.filter((part) => part !== null).join(", ")}`);
}

async function main(): Promise<void> {
  const program = "npm run soak -- upstream-defect";
  const given = new SoakArguments({ program, help, options: flags });
  process.once("SIGINT", () => process.exit(1));
  const options: BatchOptions = {
    scenario: given.word("scenario", scenarios),
    cast: given.read("seats", castOf),
    writers: given.read("writers", castOf),
    guardsOff: given.read("guards-off", guardsOf),
    runs: given.count("runs"),
    parallel: given.count("parallel", { to: 100 }),
    keepIn: given.text("keep") ?? null,
  };
  if (options.keepIn !== null) mkdirSync(options.keepIn, { recursive: true });
  const runs = await runBatch(options, tell);
  const totals = totalsOf(runs);
  if (given.isSet("json")) {
    const { scenario, cast, writers, guardsOff } = options;
    const report = { scenario, cast, writers, guardsOff, totals, runs };
    process.stdout.write(`${JSON.stringify(report)}\n`);
  }
  say(
    `${options.scenario}, ${Object.values(options.cast).join(",")}: ${totals.runs} runs, ${totals.diverged} diverged, ` +
      `${totals.lost} of ${totals.acknowledged} acknowledged writes lost in ${totals.runsWithLosses} runs, ` +
      `${totals.unsettled} not settled, ${totals.dipped} with commits at a low term; longest wait for a leader ${totals.leaderMsMax} ms`,
  );
  const isOurs = Object.values(options.cast).includes("quorate") && options.guardsOff.length === 0;
  if (isOurs && runs.some(hasGoneWrong)) process.exitCode = 1;
}

main().catch((error: unknown) => {
  say(`upstream-defect: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
});
