import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { play } from "./scenario.js";

/*
 * Stories of the core as text: lines that begin with `>` are inputs, what follows is what the core
 * did. With UPDATE_GOLDEN=1 the answers are written anew: read the difference before committing it.
 */

const folder = findFolder();

/** Beside the source, also where the tests were built to somewhere else. */
function findFolder(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const candidates = [
    join(here, "../../../test/raft/golden"),
    join(process.cwd(), "test/raft/golden"),
  ];
  const found = candidates.find((candidate) => existsSync(candidate));
  if (found === undefined) throw new Error("run the tests inside the project");
  return found;
}

for (const name of readdirSync(folder).filter((file) => file.endsWith(".txt"))) {
  test(`golden: ${name.replace(/\.txt$/, "").replaceAll("-", " ")}`, () => {
    const path = join(folder, name);
    const recorded = readFileSync(path, "utf8");
    const played = play(recorded);
    if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(path, played);
    else assert.equal(played, recorded);
  });
}
