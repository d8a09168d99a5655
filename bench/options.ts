import { parseArgs } from "node:util";

export const scenarioNames = [
  "throughput",
  "failover",
  "elections",
  "idle",
  "start",
  "dump",
  "observers",
  "mixed",
  "grow",
  "long",
  "micro",
  "ceiling",
] as const;

export type ScenarioName = (typeof scenarioNames)[number];

export const help = `usage: npm run bench -- [scenario] [options]

Runs Quorate, PySyncObj ${"0.3.17"} (three patroni_raft_controllers) and etcd on this machine, one after the other
and in turns, and prints medians, spreads and ratios. All of it goes to bench/results/<scenario>.json, and
throughput to a chart beside it.

scenarios
  throughput  writes committed a second and their latencies (what runs where none is named)
  ceiling     what the load generator itself reaches, with a server that does nothing
  failover    from SIGKILL of the leader to a write that is committed again
  elections   elections that nothing but load brings about, alone on the machine and beside busy processes
  idle        processor time and memory of a member that nobody asks for anything
  start       a member on a journal of 200,000 entries, and on a dump of 1,000,000 keys
  dump        writes, and what is heard of the leader, while a large store is written to its dump
  observers   throughput with observers connected
  mixed       a Quorate leader beside two PySyncObj members, and three PySyncObj members
  grow        how throughput changes with concurrency, value size, keys, members and observers
  long        one system under load for --seconds, percentiles by minute
  micro       the codec: pickles, frames, tokens, against Python and the alternatives

options (defaults)
  --systems NAMES      quorate,pysyncobj,etcd
  --concurrency LIST   writes in flight (1,64,512)
  --seconds N          measured for each figure, after the warm-up (5; long: 3600)
  --warm-up N          seconds of the same load before, given as figures of their own (10)
  --repeats N          rounds, in which each system has its turn (5)
  --value-bytes N      of each value (128)
  --keys N             different keys written (1000)
  --members N          of each cluster (3)
  --observers N        that are connected beside the load generator (0; observers: 100)
  --password TEXT      for Quorate and PySyncObj (none)
  --entries N          start: entries of the journal (200000)
  --dump-keys N        start and dump: keys of the dump (1000000)
  --results FOLDER     where results go (bench/results)
  --name NAME          file name of the results (the scenario's)
  --help
`;

export interface Options {
  readonly scenario: ScenarioName;
  readonly systems: readonly string[];
  readonly concurrency: readonly number[];
  readonly seconds: number;
  readonly warmUp: number;
  readonly repeats: number;
  readonly valueBytes: number;
  readonly keys: number;
  readonly members: number;
  readonly observers: number;
  readonly password: string | null;
  readonly entries: number;
  readonly dumpKeys: number;
  readonly results: string | null;
  readonly name: string;
}

const text = { type: "string" } as const;

/** @throws Error with one sentence for the user; null: help is wanted. */
export function readOptions(args: readonly string[]): Options | null {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      systems: { ...text, default: "quorate,pysyncobj,etcd" },
      concurrency: { ...text, default: "1,64,512" },
      seconds: text,
      "warm-up": { ...text, default: "10" },
      repeats: { ...text, default: "5" },
      "value-bytes": { ...text, default: "128" },
      keys: { ...text, default: "1000" },
      members: { ...text, default: "3" },
      observers: text,
      password: text,
      entries: { ...text, default: "200000" },
      "dump-keys": { ...text, default: "1000000" },
      results: text,
      name: text,
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return null;
  const [named = "throughput", ...more] = positionals;
  const scenario = scenarioNames.find((name) => name === named);
  if (scenario === undefined || more.length > 0) {
    throw new Error(`scenarios are ${scenarioNames.join(", ")}, not ${positionals.join(" ")}`);
  }
  const isLong = scenario === "long";
  return {
    scenario,
    systems: values.systems.split(","),
    concurrency: values.concurrency.split(",").map((value) => count("--concurrency", value)),
    seconds: positive("--seconds", values.seconds ?? (isLong ? "3600" : "5")),
    warmUp: positive("--warm-up", values["warm-up"]),
    repeats: count("--repeats", values.repeats),
    valueBytes: count("--value-bytes", values["value-bytes"]),
    keys: count("--keys", values.keys),
    members: count("--members", values.members),
    observers: Number(values.observers ?? (scenario === "observers" ? "100" : "0")),
    password: values.password ?? null,
    entries: count("--entries", values.entries),
    dumpKeys: count("--dump-keys", values["dump-keys"]),
    results: values.results ?? null,
    name: values.name ?? scenario,
  };
}

function count(option: string, value: string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new Error(`${option} takes whole numbers from 1 on, not '${value}'`);
}

function positive(option: string, value: string): number {
  const number = Number(value);
  if (number > 0 && Number.isFinite(number)) return number;
  throw new Error(`${option} takes a number of seconds, not '${value}'`);
}
