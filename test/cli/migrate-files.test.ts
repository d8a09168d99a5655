import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import {
  address,
  log,
  pictureOfFolder,
  quorateMember,
  setEntry,
  temporaryFolder,
  vanillaJournal,
  vanillaMeta,
} from "../files/support/made-files.js";
import { runCli } from "./run-cli.js";

const journal = vanillaJournal(log([0, 1, 1, 3]));

function oldFolder(t: TestContext): string {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, `${address}.journal`), journal);
  writeFileSync(join(folder, `${address}.journal.meta`), vanillaMeta({ raftCommitIndex: 4 }));
  return folder;
}

describe("quorate migrate import", () => {
  it("says what it would do and touches nothing with --dry-run", async (t) => {
    const folder = oldFolder(t);
    const before = pictureOfFolder(folder);
    const { code, out, err } = await runCli(["migrate", "import", folder, "--dry-run"]);
    assert.deepEqual([code, err], [4, ""]);
    assert.match(out, /to be files of Quorate\n/);
    assert.match(out, /journal +now: PySyncObj's, without checksums\n +then: entries 1 to 4, with/);
    assert.match(out, /then: term 3, the highest of any entry, no vote, commit index 4\n/);
    assert.match(out, /WARNING: what this member has voted last is in no file/);
    const json = await runCli(["migrate", "import", folder, "--dry-run", "--json"]);
    const { changed, term, changes } = JSON.parse(json.out);
    assert.deepEqual([json.code, changed, term, changes.length], [4, false, 3, 2]);
    assert.deepEqual(pictureOfFolder(folder), before);
  });

  it("asks, keeps the old files, and does nothing a second time", async (t) => {
    const folder = oldFolder(t);
    const before = pictureOfFolder(folder);
    const answer = (isYes: boolean) => ({ confirm: async () => isYes });
    const refused = await runCli(["migrate", "import", folder], answer(false));
    assert.deepEqual([refused.code, /nothing was changed/.test(refused.err)], [1, true]);
    assert.deepEqual(pictureOfFolder(folder), before);
    const done = await runCli(["migrate", "import", folder], answer(true));
    assert.equal(done.code, 0);
    assert.match(done.out, /Done\. The files as they were are in .*\nNext: start `quorate run`/);
    const kept = readdirSync(folder).find((name) => name.includes(".before-import-"));
    assert.deepEqual(readFileSync(join(folder, kept ?? "", `${address}.journal`)), journal);
    const after = readFileSync(join(folder, `${address}.journal.meta`));
    const again = await runCli(["migrate", "import", folder, "--yes"]);
    assert.deepEqual([again.code, /nothing is due/.test(again.out)], [0, true]);
    assert.deepEqual(readFileSync(join(folder, `${address}.journal.meta`)), after);
  });

  it("does nothing while a process holds the journal", async (t) => {
    const folder = oldFolder(t);
    const held = openSync(join(folder, `${address}.journal`), "r+");
    const child = spawn("sleep", ["30"], { stdio: ["ignore", "ignore", "ignore", held] });
    t.after(() => child.kill("SIGKILL"));
    const before = pictureOfFolder(folder);
    const { code, out, err } = await runCli(["migrate", "import", folder, "--yes"]);
    assert.deepEqual([code, out], [1, ""]);
    assert.match(err, new RegExp(`in use by process ${child.pid}: stop it first`));
    assert.deepEqual(pictureOfFolder(folder), before);
  });
});

describe("quorate migrate export", () => {
  it("warns, converts, and prints the same as JSON", async (t) => {
    const folder = temporaryFolder(t);
    await quorateMember(folder, [[setEntry(2, 9, "/a", "1"), setEntry(3, 9, "/a", "2")]]);
    const asked = ["migrate", "export", folder, "--to", "0.3.15"];
    const dry = await runCli([...asked, "--dry-run"]);
    assert.equal(dry.code, 4);
    assert.match(dry.out, /to be files of PySyncObj 0\.3\.15\n/);
    assert.match(dry.out, /WARNING: PySyncObj 0\.3\.15 keeps term and vote in memory only/);
    const done = JSON.parse((await runCli([...asked, "--yes", "--json"])).out);
    assert.deepEqual([done.changed, done.target, done.term], [true, "PySyncObj 0.3.15", 9]);
    const again = await runCli([...asked, "--yes"]);
    assert.equal(again.code, 0);
    // Also on files that are PySyncObj's already: what its start loses has nothing to do with them.
    assert.match(again.out, /nothing is due, PySyncObj 0\.3\.15 starts on them\nWARNING: /);
  });

  for (const [what, args] of [
    ["a version that nobody knows", ["--to", "0.4.1", "--yes"]],
    ["no version", ["--yes"]],
    ["--json without a word on what to do", ["--to", "0.3.15", "--json"]],
    ["--yes with --dry-run", ["--to", "0.3.15", "--yes", "--dry-run"]],
  ] as const) {
    it(`refuses ${what}`, async (t) => {
      const folder = oldFolder(t);
      const before = pictureOfFolder(folder);
      assert.equal((await runCli(["migrate", "export", folder, ...args])).code, 2);
      assert.deepEqual(pictureOfFolder(folder), before);
    });
  }
});
