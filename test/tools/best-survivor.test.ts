import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Entry } from "../../protocol/log/entry.js";
import { membersIn } from "../../src/files/data-path.js";
import { nodeFileSystem } from "../../src/storage/node-file-system.js";
import { bestSurvivor } from "../../src/tools/doctor/best-survivor.js";
import { compareFiles } from "../../src/tools/doctor/side-by-side.js";
import { runCli } from "../cli/run-cli.js";
import {
  log,
  setEntry,
  temporaryFolder,
  vanillaJournal,
  vanillaMeta,
} from "../files/support/made-files.js";

interface Made {
  readonly entries: readonly Entry[];
  readonly commit: number;
}

function directories(t: TestContext, members: Readonly<Record<string, Made>>): string[] {
  const folder = temporaryFolder(t);
  return Object.entries(members).map(([name, { entries, commit }]) => {
    const directory = join(folder, name);
    mkdirSync(directory);
    writeFileSync(join(directory, `${name}:1.journal`), vanillaJournal(entries));
    writeFileSync(
      join(directory, `${name}:1.journal.meta`),
      vanillaMeta({ raftCommitIndex: commit }),
    );
    return directory;
  });
}

async function best(t: TestContext, members: Readonly<Record<string, Made>>) {
  const paths = directories(t, members).flatMap((directory, at) => {
    const name = Object.keys(members)[at] ?? "";
    return membersIn(directory, [`${name}:1.journal`, `${name}:1.journal.meta`]);
  });
  return bestSurvivor(await compareFiles(nodeFileSystem, paths));
}

const shared = log([0, 1, 1, 2, 2, 2, 2, 2, 2]);
/** A leader of term 2 that went on alone, and who was elected behind its back and has committed. */
const cutOff = [...shared, ...log(Array.from({ length: 15 }, () => 2)).slice(9)];
const elected = [
  ...shared,
  ...[10, 11, 12].map((index) => setEntry(index, 3, "/k", `of ${index}`)),
];

test("the last term decides, whatever the length and whatever was stored as committed", async (t) => {
  for (const commit of [9, 11]) {
    const members = { s1: { entries: cutOff, commit: 9 }, s2: { entries: elected, commit } };
    assert.deepEqual(await best(t, members), { names: ["s2:1"], index: 12, term: 3 });
  }
});

test("of the same term the longest, and all that are alike", async (t) => {
  const short = { entries: elected.slice(0, -1), commit: 9 };
  const long = { entries: elected, commit: 9 };
  const found = await best(t, { s1: short, s2: long, s3: long });
  assert.deepEqual(found?.names, ["s2:1", "s3:1"]);
  assert.equal(await best(t, { s1: long, s2: long }), null, "nothing to choose");
});

test("nobody where terms went down, and where two sides were committed", async (t) => {
  const dipped = log([6, 6, 6, 1, 1]);
  const fallen = {
    a: { entries: dipped, commit: 5 },
    b: { entries: dipped.slice(0, 3), commit: 3 },
  };
  assert.equal(await best(t, fallen), null);
  const both = { a: { entries: cutOff, commit: 12 }, b: { entries: elected, commit: 12 } };
  assert.equal(await best(t, both), null);
});

test("the doctor names it, in words and in JSON", async (t) => {
  const paths = directories(t, {
    s1: { entries: cutOff, commit: 9 },
    s2: { entries: elected, commit: 9 },
  });
  const { out } = await runCli(["doctor", ...paths]);
  assert.match(out, /majority of the cluster is lost for good: recover s2:1 /);
  assert.match(out, /its log ends with entry 12 of term 3\./);
  const json = JSON.parse((await runCli(["doctor", ...paths, "--json"])).out);
  assert.deepEqual(json.survivor, { names: ["s2:1"], index: 12, term: 3 });
});
