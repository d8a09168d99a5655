import { tmpdir } from "node:os";
import { help, type Options, readOptions, type ScenarioName } from "./options.js";
import { lookAtMachine } from "./report/machine.js";
import { writeResults } from "./report/results.js";
import type { Scenario } from "./scenarios/scenario.js";

/** Each is loaded when it is wanted. */
const scenarios: Readonly<Record<ScenarioName, () => Promise<Scenario>>> = {
  throughput: async () => (await import("./scenarios/throughput.js")).throughput,
  ceiling: async () => (await import("./scenarios/ceiling.js")).ceiling,
  failover: async () => (await import("./scenarios/failover.js")).failover,
  elections: async () => (await import("./scenarios/elections.js")).elections,
  idle: async () => (await import("./scenarios/idle.js")).idle,
  start: async () => (await import("./scenarios/start.js")).start,
  dump: async () => (await import("./scenarios/dump.js")).dump,
  observers: async () => (await import("./scenarios/observers.js")).observers,
  mixed: async () => (await import("./scenarios/mixed.js")).mixed,
  grow: async () => (await import("./scenarios/grow.js")).grow,
  long: async () => (await import("./scenarios/long.js")).long,
  micro: async () => (await import("./micro/micro.js")).micro,
};

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function run(options: Options): Promise<void> {
  const machine = await lookAtMachine(tmpdir());
  const { cores, processor, node, loadBefore, fdatasyncMs } = machine;
  say(`${cores} cores (${processor}), Node.js ${node}, load ${loadBefore.toFixed(2)} before`);
  say(`one fdatasync of 300 bytes in ${tmpdir()}: ${fdatasyncMs.median.toFixed(3)} ms`);
  const scenario = await scenarios[options.scenario]();
  const outcome = await scenario(options, say);
  process.stdout.write(`${outcome.text}\n`);
  for (const path of writeResults(options, machine, outcome)) say(`written: ${path}`);
}

async function main(args: readonly string[]): Promise<number> {
  let options: Options | null;
  try {
    options = readOptions(args);
  } catch (error) {
    say(`npm run bench: ${error instanceof Error ? error.message : String(error)}`);
    return 2;
  }
  if (options === null) {
    process.stdout.write(help);
    return 0;
  }
  await run(options);
  return 0;
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    say(error instanceof Error ? (error.stack ?? error.message) : String(error));
    process.exit(1);
  },
);
