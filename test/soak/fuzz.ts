import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { Fuzzer } from "../fuzz/fuzzer.js";
import { runPlan, targets } from "../fuzz/run.js";

const usage = `usage: npm run soak -- fuzz [options]
Feeds every decoder with mutations of what real members have sent and written.
  --executions N  default: 1000000
  --minutes N     end after so long, done or not; default: when done
  --target NAME   ${targets.map(({ name }) => name).join(", ")}; default: all
  --seed N        default: a new one, which is printed
  --input BASE64  one input for --target instead, with --seed for its dice
A find (anything but a value or a ProtocolError, or too long a step) is printed: exit code 1.`;

const { values } = parseArgs({
  options: {
    executions: { type: "string", default: "1000000" },
    minutes: { type: "string", default: "Infinity" },
    target: { type: "string", default: "all" },
    seed: { type: "string" },
    input: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

if (values.help) console.log(usage);
else process.exitCode = await (values.input === undefined ? soak() : replay(values.input));

function chosen() {
  const found = targets.filter(({ name }) => values.target === "all" || name === values.target);
  if (found.length === 0) throw new Error(`no target ${values.target}`);
  return found;
}

async function replay(input: string): Promise<number> {
  let finds = 0;
  for (const target of chosen()) {
    const fuzzer = new Fuzzer({ ...target, seeds: [] }, 0);
    await fuzzer.execute(Buffer.from(input, "base64"), Number(values.seed ?? 0));
    for (const { why } of fuzzer.finds) console.log(`${target.name}: ${why}`);
    finds += fuzzer.finds.length;
    console.log(`${target.name}: ${JSON.stringify(fuzzer.tally)}`);
  }
  return finds === 0 ? 0 : 1;
}

async function soak(): Promise<number> {
  const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
  console.log(`seed ${seed}`);
  const began = performance.now();
  const { tallies, finds, blocks } = await runPlan({
    targets: chosen(),
    seed,
    executions: Number(values.executions),
    guidedShare: 0.02,
    untilMs: began + Number(values.minutes) * 60_000,
    onProgress: (line) => console.log(line),
  });
  let total = 0;
  for (const [name, { executions, taken, pool, longestMs }] of tallies) {
    total += executions;
    const share = ((taken / executions) * 100).toFixed(0);
    console.log(
      `${name}: ${executions} executions, ${share}% taken, ${pool} inputs to go on from, ` +
        `longest ${longestMs.toFixed(1)} ms`,
    );
  }
  for (const { target, why, input, diceSeed } of finds) {
    const bytes = Buffer.from(input).toString("base64");
    console.log(`FIND ${target} --seed ${diceSeed} --input ${bytes}\n${why}`);
  }
  const seconds = ((performance.now() - began) / 1_000).toFixed(0);
  const cpuSec = (process.cpuUsage().user / 1e6).toFixed(0);
  console.log(
    `${total} executions in ${seconds} s (${cpuSec} s of processor time), ${finds.length} finds, ${blocks} blocks covered`,
  );
  return finds.length === 0 ? 0 : 1;
}
