import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { quorateVersion } from "../src/node/version.js";

/* The house rules that no compiler and no linter holds. */

const root = findRoot(dirname(fileURLToPath(import.meta.url)));
const fileLinesMax = 500;

/** The tests run from a build folder, inside the project or outside: its sources are asked for. */
function findRoot(from: string): string {
  for (const start of [from, process.cwd()]) {
    for (let at = start; at !== dirname(at); at = dirname(at)) {
      const names = readdirSync(at);
      if (names.includes("package.json") && names.includes("biome.json")) return at;
    }
  }
  throw new Error("run the tests inside the project");
}

function sourcesUnder(...folders: readonly string[]): string[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => join(folder, name)),
  );
}

function read(file: string): string {
  return readFileSync(join(root, file), "utf8");
}

function importsOf(file: string): string[] {
  const found = read(file).matchAll(
    /^(?:import|export|\}).* from "([^"]+)"|\bimport\(?"([^"]+)"/gm,
  );
  return [...found].map((match) => match[1] ?? match[2] ?? "");
}

/** `protocol`, or the folder under src; a file at the top of src is its own house. */
function houseOf(file: string): string {
  const [top = "", second = ""] = file.split("/");
  return top === "src" ? second : top;
}

/** What each house may import beside itself. An arrow points one way only. */
const below: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  raft: ["protocol"],
  store: ["protocol"],
  net: ["protocol", "logger.ts", "clock.ts", "descriptors.ts", "line-quota.ts"],
  storage: ["protocol", "logger.ts", "clock.ts"],
  files: ["protocol", "storage", "store", "clock.ts"],
  http: [
    "protocol",
    "net",
    "storage",
    "store",
    "raft",
    "node",
    "logger.ts",
    "clock.ts",
    "descriptors.ts",
  ],
  client: ["protocol", "net", "storage", "store", "raft", "node", "logger.ts", "clock.ts"],
  tools: ["protocol", "net", "storage", "store", "raft", "node", "files", "logger.ts", "clock.ts"],
  node: ["protocol", "net", "storage", "store", "raft", "logger.ts", "clock.ts", "line-quota.ts"],
  cli: [
    "protocol",
    "net",
    "storage",
    "store",
    "raft",
    "node",
    "http",
    "client",
    "files",
    "tools",
    "logger.ts",
    "clock.ts",
  ],
  "logger.ts": [],
  "clock.ts": [],
  "descriptors.ts": [],
  "line-quota.ts": [],
  "quorate-node.ts": ["node", "client", "http", "store", "logger.ts"],
  "index.ts": ["quorate-node.ts", "node", "client", "storage", "store", "logger.ts"],
};

test("houses import in one direction only", () => {
  const wrong: string[] = [];
  for (const file of sourcesUnder("src", "protocol")) {
    const house = houseOf(file);
    const allowed = below[house];
    assert.ok(allowed !== undefined, `${file}: a house that the rules do not know`);
    for (const name of importsOf(file).filter((imported) => imported.startsWith("."))) {
      const target = houseOf(relative(root, resolve(root, dirname(file), name)));
      const targetHouse = target.replace(/\.js$/, ".ts");
      if (targetHouse !== house && !allowed.includes(targetHouse)) wrong.push(`${file} -> ${name}`);
    }
  }
  assert.deepEqual(wrong, []);
});

const pure = ["protocol", "src/raft", "src/store"];

test("protocol, raft and store import nothing from outside but what the wire needs", () => {
  const found = sourcesUnder(...pure).flatMap((file) =>
    importsOf(file)
      .filter((name) => !name.startsWith("."))
      .map((name) => `${file} -> ${name}`),
  );
  assert.deepEqual(found.sort(), [
    "protocol/pickle/key-index.ts -> node:crypto",
    "protocol/pickle/long-text.ts -> node:buffer",
    "protocol/wire/compression.ts -> node:zlib",
    "protocol/wire/fernet.ts -> node:crypto",
    "protocol/wire/inflater.ts -> pako",
    "protocol/wire/token-stream.ts -> node:crypto",
  ]);
});

test("they know no clock, no chance, no timer and no process", () => {
  const forbidden =
    /\b(?:Math\.random|Date\.now|new Date|performance\.|setTimeout|setInterval|setImmediate|queueMicrotask|process\.|globalThis)/;
  const found = sourcesUnder(...pure).filter((file) => forbidden.test(read(file)));
  assert.deepEqual(found, []);
});

test("chance comes in as an argument, everywhere but where the process begins", () => {
  const found = sourcesUnder("src").filter((file) => read(file).includes("Math.random"));
  const outside = found.filter((file) => !["node", "net", "cli"].includes(houseOf(file)));
  assert.deepEqual(outside, []);
});

test(`no file is longer than ${fileLinesMax} lines that are not blank`, () => {
  const folders = ["src", "protocol", "test", "interop-tests", "bench", "scripts"];
  const long = sourcesUnder(...folders).filter((file) => {
    const lines = read(file).split("\n");
    return lines.filter((line) => line.trim() !== "").length > fileLinesMax;
  });
  assert.deepEqual(long, []);
});

test("the version that members tell each other is package.json's", () => {
  assert.equal(quorateVersion, JSON.parse(read("package.json")).version);
});
