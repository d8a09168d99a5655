import { randomInt } from "node:crypto";
import { SoakArguments } from "../../interop-tests/support/soak-arguments.js";
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

const given = new SoakArguments({
  program: "npm run soak -- fuzz",
  help: usage,
  options: {
    executions: { type: "string", default: "1000000" },
    minutes: { type: "string" },
    target: { type: "string", default: "all" },
    seed: { type: "string" },
    input: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

const executions = given.count("executions");
const minutes = given.number("minutes", { otherwise: Number.POSITIVE_INFINITY });
const target = given.word("target", ["all", ...targets.map(({ name }) => name)]);
const seed = given.count("seed", { from: 0, to: 2 ** 32, otherwise: randomInt(2 ** 31) });
const chosen = targets.filter(({ name }) => target === "all" || name === target);
const input = given.text("input");
if (input !== undefined && !/^[A-Za-z\d+/]*={0,2}$/.test(input)) given.refuse("--input: no base64");
process.exitCode = await (input === undefined ? soak() : replay(Buffer.from(input, "base64")));

async function replay(bytes: Buffer): Promise<number> {
  let finds = 0;
  for (const target of chosen) {
    const fuzzer = new Fuzzer({ ...target, seeds: [] }, 0);
    await fuzzer.execute(bytes, given.text("seed") === undefined ? 0 : seed);
    for (const { why } of fuzzer.finds) console.log(`${target.name}: ${why}`);
    finds += fuzzer.finds.length;
    console.log(`${target.name}: ${JSON.stringify(fuzzer.tally)}`);
  }
  return finds === 0 ? 0 : 1;
}

async function soak(): Promise<number> {
  console.log(`seed ${seed}`);
  const began = performance.now();
  const { tallies, finds, blocks } = await runPlan({
    targets: chosen,
    seed,
    executions,
    guidedShare: 0.02,
    untilMs: began + minutes * 60_000,
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
  return finds.length === 0 && total > 0 ? 0 : 1;
}
