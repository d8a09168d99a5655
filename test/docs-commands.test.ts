import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { projectRoot } from "../interop-tests/support/project.js";
import { processContext } from "../src/cli/main.js";
import { createProgram } from "../src/cli/program.js";
import { code, markdownFiles } from "./markdown.js";

const root = projectRoot();
const program = await createProgram(processContext(), "0.0.0", () => {});

/** What is wrong with a command line that a page names; empty where it could be typed. */
type Fault = (words: readonly string[]) => string[];

/** `quorate status --addr …`, in a code block behind what starts it there. */
const ofProgram: Fault = (words) => {
  let command: Command = program;
  let at = 0;
  for (; at < words.length; at += 1) {
    const word = words[at] ?? "";
    // `migrate plan|check` stands for both.
    const found = word
      .split("|")
      .map((name) => command.commands.find((each) => each.name() === name));
    const [first] = found;
    if (first === undefined || found.includes(undefined)) break;
    command = first;
  }
  const next = words[at];
  const isGroup = command.commands.length > 0 && next !== undefined && !next.startsWith("-");
  if (isGroup) return [`${command.name()} has no command ${next}`];
  const known = new Set(["--help", "--version", ...command.options.map(({ long }) => long)]);
  return options(words.slice(at))
    .filter((option) => !known.has(option))
    .map((option) => `${command.name()} has no ${option}`);
};

const scripts = ((): readonly string[] => {
  const manifest: unknown = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  assert.ok(typeof manifest === "object" && manifest !== null);
  const found: unknown = Reflect.get(manifest, "scripts");
  assert.ok(typeof found === "object" && found !== null);
  return Object.keys(found);
})();

/** `npm run soak -- crashes --kills 100`; `npm test` and `npm start` as well. */
const ofNpm: Fault = ([script = "", ...rest]) => {
  if (!scripts.includes(script)) return [`package.json has no script ${script}`];
  const words = rest[0] === "--" ? rest.slice(1) : rest;
  if (script === "sim") return unknownIn("test/sim/main.js", words);
  if (script === "bench") return unknownIn("bench/main.js", words);
  if (script === "soak" && words[0] !== undefined) return ofSoak(words);
  if (script.startsWith("test:") && words[0] !== undefined) return ofTests(script, words[0]);
  return [];
};

function ofSoak([name = "", ...rest]: readonly string[]): string[] {
  for (const folder of ["test/soak", "interop-tests/soak"]) {
    const isThere = readdirSync(join(root, folder)).includes(`${name}.ts`);
    if (isThere) return unknownIn(`${folder}/${name}.js`, rest);
  }
  return [`there is no soak ${name}`];
}

function ofTests(script: string, pattern: string): string[] {
  const folder = script === "test:interop" ? "interop-tests" : "test";
  const files = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" });
  const isChosen = files.some((path) => path.endsWith(".test.ts") && path.includes(pattern));
  return isChosen ? [] : [`no test's path holds ${pattern}`];
}

const helps = new Map<string, string>();

function unknownIn(built: string, words: readonly string[]): string[] {
  const named = options(words);
  if (named.length === 0) return [];
  const help =
    helps.get(built) ??
    execFileSync(process.execPath, [builtPath(built), "--help"], { encoding: "utf8" });
  helps.set(built, help);
  const known = new Set(options(help.split(/[\s,;:.()|[\]]+/)));
  return named.filter((option) => !known.has(option)).map((option) => `${built} has no ${option}`);
}

function builtPath(path: string): string {
  return fileURLToPath(new URL(`../${path}`, import.meta.url));
}

function options(words: readonly string[]): string[] {
  return words.flatMap((word) => /^--[a-z][a-z-]*/.exec(word)?.[0] ?? []);
}

/** What comes behind the name of a command, up to a comment, a pipe or the next command. */
function commandLines(text: string, start: RegExp): string[][] {
  return code(text).flatMap((line) => {
    const [found] = [...line.matchAll(start)];
    if (found === undefined) return [];
    const [own = ""] = line.slice(found.index + found[0].length).split(/ (?:#|\||&&|;|>|<) ?/);
    return [own.split(" ").filter((word) => word !== "")];
  });
}

describe("commands that the documentation names", () => {
  for (const file of markdownFiles()) {
    const name = relative(root, file);
    const text = readFileSync(file, "utf8");
    const ours = commandLines(
      text,
      /^(?:\$ )?(?:npx |node_modules\/\.bin\/|docker compose exec \S+ )?quorate (?=[a-z-])/g,
    );
    const npm = commandLines(
      text,
      /(?:^|[ (])npm (?:run )?(?=(?:start|test|run|sim|soak|bench|build|lint|format|docs)\b)/g,
    );
    if (ours.length + npm.length === 0) continue;

    it(`${name}: exist, and take the options that they are given`, () => {
      const faults = [...ours.flatMap(ofProgram), ...npm.flatMap(ofNpm)];
      assert.deepEqual(faults, []);
    });
  }

  it("are some", () => {
    const lines = markdownFiles().flatMap((file) => code(readFileSync(file, "utf8")));
    assert.ok(lines.filter((line) => /^(?:\$ )?quorate [a-z]/.test(line)).length > 100);
    assert.ok(lines.filter((line) => line.includes("npm run ")).length > 50);
  });
});
