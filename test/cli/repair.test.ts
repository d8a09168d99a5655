import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { crc32 } from "node:zlib";
import { projectRoot } from "../../interop-tests/support/project.js";
import { encodeMeta } from "../../protocol/files/meta-format.js";
import { emptyMeta } from "../../src/storage/meta-file.js";
import { lockFiles } from "../../src/storage/process-lock.js";
import {
  address,
  log,
  pictureOfFolder,
  quorateMember,
  temporaryFolder,
  vanillaJournal,
  vanillaMeta,
} from "../files/support/made-files.js";
import { runCli } from "./run-cli.js";

const entries = log([0, 1, 1, 2]);
const meta = vanillaMeta({ raftCommitIndex: 4, currentTerm: 2, votedForNodeId: null });
const stale = vanillaJournal(entries, 0);

function folderWith(t: TestContext, journal: Uint8Array): string {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, `${address}.journal`), journal);
  writeFileSync(join(folder, `${address}.journal.meta`), meta);
  return folder;
}

describe("quorate repair", () => {
  it("says what it would do and touches nothing with --dry-run", async (t) => {
    const folder = folderWith(t, stale);
    const before = pictureOfFolder(folder);
    const { code, out, err } = await runCli(["repair", folder, "--dry-run"]);
    assert.deepEqual([code, err], [4, ""]);
    assert.match(
      out,
      /1 to mend\n\njournal-end-offset {2}\S+\n {2}seen: .*\n {2}mend: {3}puts the end offset/,
    );
    assert.match(out, /lost: {3}nothing\n/);
    const json = JSON.parse((await runCli(["repair", folder, "--dry-run", "--json"])).out);
    assert.deepEqual([json.mends.length, json.isDone, json.kept], [1, false, []]);
    assert.deepEqual(pictureOfFolder(folder), before);
  });

  it("asks before it does anything, and does nothing without a yes", async (t) => {
    const folder = folderWith(t, stale);
    const before = pictureOfFolder(folder);
    const asked: string[] = [];
    const confirm = (isYes: boolean) => async (question: string) => {
      asked.push(question);
      return isYes;
    };
    const refused = await runCli(["repair", folder], { confirm: confirm(false) });
    assert.equal(refused.code, 1);
    assert.match(refused.err, /not confirmed: nothing was changed/);
    assert.deepEqual(pictureOfFolder(folder), before);
    const done = await runCli(["repair", folder], { confirm: confirm(true) });
    assert.equal(done.code, 0);
    assert.match(done.out, /Done\. The member may be started\./);
    assert.equal(asked.length, 2);
    assert.match(
      asked[0] ?? "",
      /^journal-end-offset: puts the end offset behind the last whole entry/,
    );
    const kept = readdirSync(folder).find((name) => name.includes(".journal.before-repair-"));
    assert.deepEqual(readFileSync(join(folder, kept ?? "")), stale);
    assert.equal((await runCli(["verify", folder])).code, 0);
    const again = await runCli(["repair", folder, "--yes"]);
    assert.deepEqual([again.code, again.out.includes("there is nothing to mend")], [0, true]);
  });

  it("names what needs a human, and stops", async (t) => {
    const folder = folderWith(t, Buffer.alloc(3000, 7));
    const before = pictureOfFolder(folder);
    const { code, out } = await runCli(["repair", folder, "--yes"]);
    assert.equal(code, 5);
    assert.match(
      out,
      /a human has to decide\. Nothing was changed\.\n\ndamage {2}journal-not-a-journal/,
    );
    assert.deepEqual(pictureOfFolder(folder), before);
  });

  it("leaves entries behind one that 0.3.15 has left out to a human", async (t) => {
    const folder = temporaryFolder(t);
    cpSync(join(projectRoot(), "protocol", "vectors", "0.3.15", "left-out"), folder, {
      recursive: true,
    });
    const before = pictureOfFolder(folder);
    const { code, out } = await runCli(["repair", join(folder, "127.0.0.1:31171"), "--yes"]);
    assert.equal(code, 5);
    assert.match(out, /a human has to decide\. Nothing was changed\.\n\ndamage {2}entry-left-out/);
    assert.match(out, /entry 5 is missing, and entries 6 to 10 stand whole behind the gap/);
    assert.deepEqual(pictureOfFolder(folder), before);
  });

  it("is refused while a process has the journal open", async (t) => {
    const folder = folderWith(t, stale);
    const before = pictureOfFolder(folder);
    const held = openSync(join(folder, `${address}.journal`), "r+");
    const child = spawn("sleep", ["60"], { stdio: [held, "ignore", "ignore"] });
    t.after(() => child.kill());
    await new Promise((resolve) => child.once("spawn", resolve));
    const { code, err } = await runCli(["repair", folder, "--yes"]);
    assert.equal(code, 1);
    assert.match(err, /in use by process \d+: stop it first\. Nothing was touched/);
    assert.deepEqual(pictureOfFolder(folder), before);
  });

  it("is refused on another user's files, whose member could not open what it would make", async (t) => {
    const folder = folderWith(t, stale);
    const before = pictureOfFolder(folder);
    t.mock.method(process as { geteuid(): number }, "geteuid", () => 4_000_000);
    const plan = await runCli(["repair", folder, "--dry-run"]);
    assert.equal(plan.code, 1);
    assert.match(plan.out, /: 1 to mend\n/);
    assert.match(plan.err, /--yes would refuse: .* belongs to user \d+, and this is user 4000000/);
    for (const command of [
      ["repair", folder, "--yes"],
      ["migrate", "import", folder, "--yes"],
      ["migrate", "import", folder, "--dry-run"],
      ["migrate", "export", folder, "--to", "0.3.15", "--dry-run"],
      ["recover", folder, "--force-new-cluster", "--dry-run"],
      ["reset-member", folder, "--addr", "127.0.0.1:9", "--dry-run"],
    ]) {
      const { code, err } = await runCli(command);
      assert.equal(code, 1, command.join(" "));
      assert.match(err, /belongs to user \d+, and this is user 4000000: run the command as/);
    }
    assert.deepEqual(pictureOfFolder(folder), before);
  });

  it("ends at Ctrl-C amid it with nothing changed", async (t) => {
    const command = new Uint8Array(100_000);
    const many = Array.from({ length: 200 }, (_, at) => ({ index: at + 1, term: 1, command }));
    const folder = folderWith(t, vanillaJournal(many, 0));
    const bytes = readFileSync(join(folder, `${address}.journal`));
    const { code, err } = await runCli(["repair", folder, "--yes"], {
      onInterrupt: (listener) => {
        setTimeout(listener, 1);
        return () => {};
      },
    });
    assert.deepEqual([code, err], [130, "quorate: stopped\n"]);
    assert.deepEqual(readFileSync(join(folder, `${address}.journal`)), bytes);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.includes("tmp") || name.includes("lock")),
      [],
    );
  });

  it("refuses a look at what a process is writing, as it would refuse to change it", async (t) => {
    const folder = folderWith(t, stale);
    const lock = await lockFiles(join(folder, `${address}.journal`));
    const { code, out, err } = await runCli(["repair", folder, "--dry-run"]);
    await lock.release();
    assert.deepEqual([code, out], [1, ""]);
    assert.match(err, /in use by process \d+: stop it first/);
  });

  it("tells of sound files that wait for a leader, and that it cannot do what that does", async (t) => {
    const folder = temporaryFolder(t);
    await quorateMember(folder, [log([0, 1, 1]).slice(1)]);
    const path = join(folder, `${address}.journal.meta`);
    writeFileSync(
      path,
      encodeMeta({ ...emptyMeta, term: 9, owner: address, mustRefetch: true }, crc32),
    );
    for (const consent of ["--dry-run", "--yes"]) {
      const { code, out } = await runCli(["repair", folder, consent]);
      assert.equal(code, 0);
      assert.match(out, /there is nothing to mend\nIt waits for a leader: .*--alone/s);
    }
    const { waits, mends } = JSON.parse((await runCli(["repair", folder, "--yes", "--json"])).out);
    assert.deepEqual([waits, mends], [true, []]);
    const config = join(temporaryFolder(t), "patroni.yml");
    writeFileSync(config, `raft:\n  self_addr: "${address}"\n`);
    const alone = await runCli(["repair", folder, "--alone", "--dry-run", "--config", config]);
    assert.equal(alone.code, 4);
    assert.match(alone.out, /may be missing: it goes on without \(--alone\)/);
    assert.doesNotMatch(alone.out, /is marked/);
  });

  it("ends with 2 for what cannot be meant", async (t) => {
    const folder = folderWith(t, stale);
    const file = await runCli(["repair", join(folder, `${address}.journal`), "--yes"]);
    assert.deepEqual([file.code, /one file by itself/.test(file.err)], [2, true]);
    assert.equal((await runCli(["repair", folder, "--json"])).code, 2);
    const both = await runCli(["repair", folder, "--yes", "--dry-run"]);
    assert.deepEqual([both.code, /contradict each other: give one/.test(both.err)], [2, true]);
  });
});
