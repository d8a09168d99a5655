import "./node-version.js";
import { setUp, setUpPackages } from "./setup.js";
import { lint, nodes, preparePython, reference, runTests, total } from "./test-steps.js";

/**
 * `npm test`: everything. `npm run test:unit`, `test:interop`, `test:nodes` run `test.js unit`,
 * `interop`, `nodes`; a pattern behind it chooses files whose path holds it.
 */
const [what = "all", pattern = ""] = process.argv.slice(2);

const unit = ["unit tests", () => runTests("test", pattern)];
const otherNodes = ["unit tests on other lines of Node.js", () => nodes(pattern)];
const interop = ["interop tests", () => runTests("interop-tests", pattern)];
const python = ["Python environments", preparePython];
const plans = {
  all: [python, unit, otherNodes, interop],
  unit: [python, unit],
  nodes: [python, otherNodes],
  interop: [python, interop],
};

function say(line) {
  process.stdout.write(`\n=== ${line}\n`);
}

/** Gives whether the step came to its end; its tests may have failed all the same. */
async function step(name, work) {
  say(name);
  const started = performance.now();
  let isDone = true;
  try {
    await work();
  } catch (error) {
    isDone = false;
    total.fail(`${name}: ${error.message}`);
  }
  say(`${name}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return isDone;
}

async function runPlan(plan) {
  if (!(await step("packages", () => setUpPackages(say)))) return;
  if (what === "all") await step("lint", lint);
  if (!(await step("type check and build", () => setUp(say)))) return;
  if (what === "all") await step("API reference", reference);
  for (const [name, work] of plan) await step(name, work);
}

const plan = plans[what];
if (plan === undefined) {
  process.stderr.write(`test.js knows ${Object.keys(plans).join(", ")}, not ${what}\n`);
  process.exit(2);
}
await runPlan(plan);
process.exitCode = total.print();
