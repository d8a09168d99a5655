import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, it } from "node:test";
import { projectRoot } from "../interop-tests/support/project.js";
import { markdownFiles, read, type Table, tables } from "./markdown.js";
import { mutants } from "./sim/mutants.js";
import { profiles } from "./sim/profiles.js";

const root = projectRoot();

/** Tables of measurements whose rows are told apart by so many of their first cells, by how their headers begin. */
const keys: Readonly<Record<string, number>> = {
  // Each of two followers.
  "system | role": Number.POSITIVE_INFINITY,
  "system | in flight": 2,
  "ratio | in flight": 2,
  "the first 10 s | in flight": 2,
  "cluster | in flight": 2,
  "system | observers": 3,
  "files | system": 2,
  "scenario | A, B, C": 2,
  "Quorate is | beside": 2,
  "run | names": 2,
  // A header by its seal, its records and the meta file.
  "header | records": 3,
};

function nameOf({ head }: Table): string {
  return head.slice(0, 2).join(" | ");
}

describe("tables", () => {
  for (const file of markdownFiles()) {
    const name = relative(root, file);
    const found = tables(readFileSync(file, "utf8"));
    if (found.length === 0) continue;

    it(`${name}: no row of a table stands there twice`, () => {
      const twice = found.flatMap((table) => {
        const count = keys[nameOf(table)] ?? 1;
        const seen = new Set<string>();
        return table.rows.flatMap((row) => {
          // A row that goes on with the one above it has no name of its own.
          if (/^(?:…|the same)/.test(row[0] ?? "")) return [];
          const key = row.slice(0, count).join(" | ");
          const isNew = !seen.has(key);
          seen.add(key);
          return isNew ? [] : [`line ${table.line}: ${key}`];
        });
      });
      assert.deepEqual(twice, []);
    });

    it(`${name}: each row of a table has as many cells as its header`, () => {
      const ragged = found.flatMap(({ line, head, rows }) =>
        rows
          .filter((row) => row.length !== head.length)
          .map((row) => `line ${line}: ${row.join(" | ")}`),
      );
      assert.deepEqual(ragged, []);
    });
  }
});

describe("docs/simulation.md", () => {
  const page = read("docs/simulation.md");
  const all = tables(page);
  const table = (...head: string[]): Table => {
    const found = all.filter((each) => head.every((cell, at) => each.head[at] === cell));
    const [first] = found;
    assert.ok(first !== undefined && found.length === 1, head.join(" | "));
    return first;
  };

  it("has a row for each mutant, in the order in which the command prints them", () => {
    const rows = table("mutant", "what is wrong then").rows;
    assert.deepEqual(
      rows.map((row) => row.slice(0, 3)),
      mutants.map(({ name, rule, profile = "each in turn" }) => [name, rule, profile]),
    );
    for (const row of rows) assert.match(row[3] ?? "", /^\d+$/, row.join(" | "));
  });

  it("has a row for each promise that a run is checked for, and for nothing else", () => {
    const rows = all.filter(({ head }) => head.join(" | ") === "name | promise");
    const named = rows.flatMap((each) => each.rows.map(([name = ""]) => name));
    assert.deepEqual(named.sort(), [...promises()].sort());
  });

  it("names the promises that mutants break as they are called", () => {
    const known = promises();
    for (const row of table("mutant", "what is wrong then").rows) {
      assert.ok(known.has(row.at(-1) ?? ""), row.join(" | "));
    }
  });

  it("has a row for each profile, in their order", () => {
    const rows = table("profile", "members").rows.map(([name]) => name);
    assert.deepEqual(
      rows,
      Object.keys(profiles).map((name) => `\`${name}\``),
    );
  });
});

/** What the checkers, and whoever else judges a run, say of one that fails. */
function promises(): Set<string> {
  const folder = join(root, "test/sim");
  const sources = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
    .map((name) => readFileSync(join(folder, name), "utf8"));
  const names = sources.flatMap((text) => [
    ...text.matchAll(/new Violation\(\s*"([a-z-]+)"/g),
    ...text.matchAll(/^ {2}readonly name = "([a-z-]+)";/gm),
  ]);
  return new Set(names.map(([, name = ""]) => name));
}
