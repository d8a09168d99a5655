import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Mutant } from "./mutant.js";
import { mutants } from "./mutants.js";

const build = fileURLToPath(new URL("../..", import.meta.url));
/** All that the simulator needs of the tests on real processes. */
const argumentsFile = join("interop-tests", "support", "soak-arguments.js");
const packages = fileURLToPath(new URL("../../../node_modules", import.meta.url));

export interface MutationOptions {
  readonly seedsMax: number;
  /** Part of the mutants' names. */
  readonly only: string;
  print(line: string): void;
  isInterrupted(): boolean;
}

export interface Finding {
  readonly mutant: Mutant;
  /** Null: not within the bound. */
  readonly found: {
    readonly runs: number;
    readonly seed: number;
    readonly invariant: string;
  } | null;
}

/** @returns whether all were found. */
export async function runMutants(options: MutationOptions): Promise<boolean> {
  const findings: Finding[] = [];
  options.print("| mutant | what is wrong then | found after runs | by |");
  options.print("| --- | --- | --- | --- |");
  for (const mutant of mutants.filter(({ name }) => name.includes(options.only))) {
    if (options.isInterrupted()) break;
    const finding = await runMutant(mutant, { from: 1, seedsMax: options.seedsMax });
    findings.push(finding);
    const { found } = finding;
    const runs = found === null ? `not within ${options.seedsMax}` : String(found.runs);
    const where = mutant.profile === undefined ? "" : ` (${mutant.profile})`;
    options.print(
      `| ${mutant.name} | ${mutant.rule} | ${runs}${where} | ${found?.invariant ?? ""} |`,
    );
  }
  return findings.length > 0 && findings.every(({ found }) => found !== null);
}

/** Runs seeds of the changed code, in a process of its own, until one fails. */
export async function runMutant(
  mutant: Mutant,
  { from, seedsMax }: { readonly from: number; readonly seedsMax: number },
): Promise<Finding> {
  return await withMutant(mutant, async (program) => {
    const args = ["--from", String(from), "--seeds", String(seedsMax), "--json", "--until-failure"];
    if (mutant.profile !== undefined) args.push("--profile", mutant.profile);
    const lines = await output(program, args);
    const last = lines.at(-1);
    if (last === undefined || last.invariant === null) return { mutant, found: null };
    const { seed, invariant } = last;
    return { mutant, found: { runs: lines.length, seed, invariant } };
  });
}

/** The simulator itself over the changed code, with its output here. @returns its exit code. */
export async function replayMutant(mutant: Mutant, args: readonly string[]): Promise<number> {
  const chosen = mutant.profile === undefined ? [] : ["--profile", mutant.profile];
  return await withMutant(mutant, (program) => {
    const child = spawn(process.execPath, [program, ...chosen, ...args], { stdio: "inherit" });
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => resolve(code ?? 1));
    });
  });
}

/** With a copy of the build that has the mutant's text in it. */
async function withMutant<T>(mutant: Mutant, run: (program: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), `quorate-mutant-${mutant.name}-`));
  try {
    for (const part of ["src", "protocol", join("test", "sim"), argumentsFile]) {
      cpSync(join(build, part), join(folder, part), { recursive: true });
    }
    symlinkSync(packages, join(folder, "node_modules"));
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    for (const [file, text] of mutantTexts(mutant)) writeFileSync(join(folder, file), text);
    return await run(join(folder, "test", "sim", "main.js"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** By file. Throws where what it replaces is not there any more. */
export function mutantTexts(mutant: Mutant): Map<string, string> {
  const texts = new Map<string, string>();
  const changes = [mutant, ...(mutant.also ?? [])];
  for (const { file, edits } of changes) {
    let text = readFileSync(join(build, file), "utf8");
    for (const [before, after] of edits) {
      if (text.split(before).length !== 2) {
        throw new Error(`mutant ${mutant.name}: ${file} does not hold exactly once: ${before}`);
      }
      text = text.replace(before, () => after);
    }
    texts.set(file, text);
  }
  return texts;
}

interface Line {
  readonly seed: number;
  readonly invariant: string | null;
}

/** A run that never ends is a failure too: the mutant hangs. */
const silenceMsMax = 120_000;

function output(program: string, args: readonly string[]): Promise<Line[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    let errors = "";
    let hangs = false;
    const kill = () => {
      hangs = true;
      child.kill("SIGKILL");
    };
    let timer = setTimeout(kill, silenceMsMax);
    child.stdout.on("data", (chunk: Buffer) => {
      clearTimeout(timer);
      timer = setTimeout(kill, silenceMsMax);
      out += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      errors += chunk.toString();
    });
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      const lines = out.split("\n").filter((line) => line.startsWith("{"));
      const parsed = lines.map((line): Line => JSON.parse(line));
      if (hangs) parsed.push({ seed: (parsed.at(-1)?.seed ?? 0) + 1, invariant: "hangs" });
      if (parsed.length > 0 && (code === 0 || code === 1 || hangs)) resolve(parsed);
      else reject(new Error(`the mutant ended with ${code}: ${errors}`));
    });
  });
}
