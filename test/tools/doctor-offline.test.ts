import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Entry } from "../../protocol/log/entry.js";
import { membersIn } from "../../src/files/data-path.js";
import { nodeFileSystem } from "../../src/storage/node-file-system.js";
import { judgeFiles } from "../../src/tools/doctor/judge-files.js";
import { compareFiles } from "../../src/tools/doctor/side-by-side.js";
import {
  log,
  pictureOfFolder,
  setEntry,
  temporaryFolder,
  vanillaJournal,
  vanillaMeta,
} from "../files/support/made-files.js";

interface Made {
  readonly entries: readonly Entry[];
  readonly commit: number;
}

/** Codes with their members. */
async function found(t: TestContext, members: Readonly<Record<string, Made>>): Promise<string[]> {
  const folder = temporaryFolder(t);
  const paths = Object.entries(members).flatMap(([name, { entries, commit }]) => {
    const directory = join(folder, name);
    mkdirSync(directory);
    const stem = join(directory, `${name}:1`);
    writeFileSync(`${stem}.journal`, vanillaJournal(entries));
    writeFileSync(`${stem}.journal.meta`, vanillaMeta({ raftCommitIndex: commit }));
    return membersIn(directory, [`${name}:1.journal`, `${name}:1.journal.meta`]);
  });
  const before = Object.keys(members).map((name) => pictureOfFolder(join(folder, name)));
  const findings = judgeFiles(await compareFiles(nodeFileSystem, paths));
  const after = Object.keys(members).map((name) => pictureOfFolder(join(folder, name)));
  assert.deepEqual(after, before, "nothing is touched");
  return findings.map(({ severity, code, members: of }) => `${severity} ${code} ${of.join(" ")}`);
}

const terms = (counts: readonly (readonly [term: number, count: number])[]) =>
  counts.flatMap(([term, count]) => Array.from({ length: count }, () => term));
const whole = log(
  terms([
    [1, 20],
    [3, 20],
  ]),
);

test("equal logs are well", async (t) => {
  const member = { entries: whole, commit: 40 };
  assert.deepEqual(await found(t, { a: member, b: member, c: member }), []);
});

test("a follower that lags is no finding but a note", async (t) => {
  const members = {
    a: { entries: whole, commit: 40 },
    b: { entries: whole.slice(0, 30), commit: 25 },
  };
  assert.deepEqual(await found(t, members), ["note lags b:1"]);
});

test("tails that nobody committed are settled by the next leader", async (t) => {
  const other = [...whole.slice(0, 38), ...log(terms([[4, 40]])).slice(38)];
  const members = { a: { entries: whole, commit: 38 }, b: { entries: other, commit: 38 } };
  const findings = await found(t, members);
  assert.ok(findings.includes("note tails-differ a:1 b:1"), findings.join());
});

test("committed entries that differ are ill", async (t) => {
  const other = [...whole.slice(0, 29), setEntry(30, 3, "/k/0", "another"), ...whole.slice(30)];
  const members = { a: { entries: whole, commit: 40 }, b: { entries: other, commit: 40 } };
  assert.deepEqual(await found(t, members), [
    "ill committed-entries-differ a:1 b:1",
    ...(whole[34]?.index === 35 && whole[39]?.index === 40 ? [] : ["ill data-differ a:1 b:1"]),
  ]);
});

test("a commit index beyond the log: committed entries were cut off", async (t) => {
  const members = {
    a: { entries: whole.slice(0, 30), commit: 36 },
    b: { entries: whole.slice(0, 30), commit: 30 },
  };
  const findings = await found(t, members);
  assert.equal(findings[0], "ill committed-entries-cut a:1");
});

test("a stale log whose last term wins, beside a term that goes down", async (t) => {
  const dipped = [
    ...log(
      terms([
        [6, 20],
        [1, 20],
      ]),
    ),
  ];
  const members = {
    a: { entries: dipped, commit: 40 },
    b: { entries: dipped.slice(0, 20), commit: 20 },
    c: { entries: dipped, commit: 40 },
  };
  assert.deepEqual(await found(t, members), [
    "ill stale-log-wins b:1",
    "risk term-goes-down a:1",
    "risk term-goes-down c:1",
    "note lags b:1",
  ]);
});
