import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { root } from "./setup.js";

/** The steps of a test run, and what they add up to. */

const minuteMs = 60_000;
/**
 * What one file may take, and all of a folder together. The first ends a test that waits for ever,
 * the second one that does not even end when it is told to.
 */
const limits = {
  test: { fileMs: 5 * minuteMs, folderMs: 10 * minuteMs, concurrency: 2 },
  "interop-tests": { fileMs: 12 * minuteMs, folderMs: 35 * minuteMs, concurrency: 2 },
};
/** Programs that are no tests: a download on a slow line is the slowest of them. */
const programMsMax = 15 * minuteMs;
/** After its summary a test runner ends at once, unless a test file refuses to. */
const afterSummaryMs = 10_000;

const running = new Set();

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.once(signal, () => {
    for (const child of running) killGroup(child);
    process.exit(1);
  });
}

/** Passed and failed of all steps. */
export const total = {
  passed: 0,
  failed: 0,
  faults: [],
  /** A step that is no test, or that did not get to count its tests. */
  fail(message) {
    this.failed += 1;
    this.faults.push(message);
  },
  /** Prints the one line about everything. Returns the exit code. */
  print() {
    for (const fault of this.faults) process.stdout.write(`\nFAILED ${fault}\n`);
    process.stdout.write(`\n${this.passed} passed, ${this.failed} failed\n`);
    return this.failed === 0 && this.passed > 0 ? 0 : 1;
  },
};

export async function lint() {
  const biome = join(root, "node_modules", "@biomejs", "biome", "bin", "biome");
  const code = await run(process.execPath, [biome, "check", "--error-on-warnings", "."]);
  if (code !== 0) throw new Error("findings, see above");
}

/** The reference of the public API: everything exported is documented, and every link leads somewhere. */
export async function reference() {
  const typedoc = join(root, "node_modules", "typedoc", "bin", "typedoc");
  const code = await run(process.execPath, [typedoc, "--emit", "none"]);
  if (code !== 0) throw new Error("warnings, see above");
}

/** Builds the virtual environments ahead, so that no test's time goes into downloads. */
export async function preparePython() {
  const program = join(root, "dist", "interop-tests", "support", "python-env-main.js");
  const code = await run(process.execPath, [program]);
  if (code !== 0) throw new Error("could not be made, see above");
}

/** The core and what is made of it need nothing of Node.js that the other tests do not, and take long. */
const sameOnAll = ["sim", "raft", "bench", "soak", "docs"].map((name) =>
  join("dist", "test", name),
);

/** The unit tests on each newer even-numbered line of Node.js, but for those that are the same on all. */
export async function nodes(pattern) {
  const { nodeBinary, nodeMajors } = await import("../dist/interop-tests/support/node-versions.js");
  for (const major of nodeMajors) {
    try {
      const chosen = (file) => file.includes(pattern) && !sameOnAll.some((it) => file.includes(it));
      await runTests("test", pattern, { node: await nodeBinary(major), chosen });
    } catch (error) {
      total.fail(`Node.js ${major}: ${error.message}`);
    }
  }
}

/**
 * Runs the test files under a built folder whose path holds `pattern`, and counts their tests.
 *
 * @param {keyof typeof limits} folder
 */
export async function runTests(
  folder,
  pattern,
  { node = process.execPath, chosen = (file) => file.includes(pattern) } = {},
) {
  const files = testFiles(join("dist", folder)).filter(chosen);
  if (files.length === 0) throw new Error(`no test file of ${folder} holds ${pattern}`);
  const { fileMs, folderMs, concurrency } = limits[folder];
  const scratch = mkdtempSync(join(tmpdir(), "quorate-test-run-"));
  const counts = join(scratch, "counts.json");
  const args = [
    "--test",
    `--test-concurrency=${concurrency}`,
    `--test-timeout=${fileMs}`,
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    `--test-reporter=${fileURLToPath(new URL("count-reporter.js", import.meta.url))}`,
    `--test-reporter-destination=${counts}`,
    ...files,
  ];
  process.stdout.write("Node.js ");
  await run(node, ["--version"]);
  try {
    const code = await run(node, args, { msMax: folderMs, doneFile: counts });
    add(readCounts(counts), code);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function add(counts, code) {
  if (counts === null) throw new Error("the test runner was ended before it had counted");
  const { tests = 0, pass = 0, skipped = 0, todo = 0 } = counts;
  // What is skipped has not been seen to work.
  const failed = tests - pass;
  total.passed += pass;
  total.failed += failed;
  if (skipped + todo > 0) total.faults.push(`${skipped + todo} tests were skipped`);
  if (code !== 0 && failed === 0) throw new Error(`the test runner ended with ${code}`);
}

function readCounts(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return null;
  }
}

function testFiles(folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true })
    .filter((name) => name.endsWith(".test.js"))
    .map((name) => join(folder, name))
    .sort();
}

/** Runs a program in a process group of its own, which ends with it. Gives its exit code. */
function run(program, args, { msMax = programMsMax, doneFile = null } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
      detached: true,
    });
    running.add(child);
    const overdue = setTimeout(() => {
      process.stdout.write(`\n${msMax / minuteMs} minutes are over: ended\n`);
      killGroup(child);
    }, msMax);
    let doneTimer = null;
    const watch = setInterval(() => {
      if (doneTimer === null && doneFile !== null && readCounts(doneFile) !== null) {
        doneTimer = setTimeout(() => killGroup(child), afterSummaryMs);
      }
    }, 1000);
    const settle = () => {
      running.delete(child);
      clearTimeout(overdue);
      clearTimeout(doneTimer);
      clearInterval(watch);
      killGroup(child);
    };
    child.once("error", (error) => {
      settle();
      reject(error);
    });
    child.once("exit", (code) => {
      settle();
      resolve(code ?? 1);
    });
  });
}

function killGroup({ pid }) {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // All of them have ended.
  }
}
