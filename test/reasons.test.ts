import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { projectRoot } from "../interop-tests/support/project.js";
import type { HealthCode } from "../src/http/health.js";

const root = projectRoot();

/** The compiler holds this to the type, and the type to what is given out. */
const healthCodes: Readonly<Record<HealthCode, true>> = {
  refetching: true,
  "files-damaged": true,
  "committed-entries-conflict": true,
  "no-space": true,
  "disk-hangs": true,
  "dump-failed": true,
  "dump-damaged": true,
  "log-too-large": true,
  "data-full": true,
  "data-too-large": true,
  "entry-too-large": true,
  "dump-too-large": true,
  "tail-too-large": true,
  "entry-beyond-limits": true,
  "forgetful-voter": true,
  "later-end": true,
  "elections-in-vain": true,
  "no-leader": true,
  "no-majority": true,
  applying: true,
};
const allCodes = Object.keys(healthCodes);

/** The codes in the first columns of the two tables of docs/doctor.md, and rows that lack a cell. */
function tables(): { readonly codes: string[][]; readonly empty: string[] } {
  const page = readFileSync(join(root, "docs/doctor.md"), "utf8");
  const section = page.split("## What a member says of itself\n")[1]?.split("\n## ")[0] ?? "";
  const parts = section.split(/^\| --- \| --- \| --- \|$/m).slice(1);
  const rows = parts.map((part) => part.split("\n").filter((line) => line.startsWith("| `")));
  return {
    codes: rows.map((lines) => lines.flatMap((line) => codesIn(line.split(" | ")[0] ?? ""))),
    empty: rows.flat().filter((line) => !/^\| .+ \| .{9,} \| .{7,} \|$/.test(line)),
  };
}

function codesIn(cell: string): string[] {
  return [...cell.matchAll(/`([a-z-]+)`/g)].map(([, code]) => code ?? "");
}

/** All that can give a code, but for the type of them all. */
function sources(): string[] {
  return ["src/node", "src/raft", "src/http"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => readFileSync(join(root, folder, name), "utf8").replace(/^ +\| ".*"/gm, "")),
  );
}

/** Of lines that warn, as literals: those of state.note, and those of Notes.say. */
function warned(): Set<string> {
  const pattern =
    /note\(\s*"(?:warn|error)",\s*"([a-z-]+)"|level: "(?:warn|error)",\s*code: "([a-z-]+)"/g;
  const found = sources().flatMap((text) => [...text.matchAll(pattern)]);
  return new Set(found.map(([, raft, node]) => raft ?? node ?? ""));
}

describe("docs/doctor.md, what a member says of itself", () => {
  const { codes, empty } = tables();
  const [ofStatus = [], ofLog = []] = codes;

  it("has two tables, each code once, and tells what it means and what to do", () => {
    assert.equal(codes.length, 2);
    assert.deepEqual(empty, []);
    const all = codes.flat();
    assert.deepEqual(
      all.filter((code, n) => all.indexOf(code) !== n),
      [],
    );
  });

  it("names all that health and status can show, and nothing else", () => {
    assert.deepEqual([...ofStatus].sort(), [...allCodes].sort());
  });

  it("names all that the log can warn of, and nothing else", () => {
    const expected = [...warned()].filter((code) => !ofStatus.includes(code));
    assert.ok(expected.length > 10, "the source is read as it is written");
    assert.deepEqual([...ofLog].sort(), expected.sort());
  });

  it("lists no code that nothing in the source gives", () => {
    const text = sources().join("\n");
    // Those of bounds are put together.
    const isBuilt = (code: string) => /^(entry|dump|tail|log)-too-large$/.test(code);
    const unused = allCodes.filter((code) => !isBuilt(code) && !text.includes(`"${code}"`));
    assert.deepEqual(unused, []);
  });
});
