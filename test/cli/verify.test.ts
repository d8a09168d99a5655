import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { projectRoot } from "../../interop-tests/support/project.js";
import { verifyFindings } from "../../src/files/verify-findings.js";
import {
  address,
  log,
  pictureOfFolder,
  temporaryFolder,
  vanillaJournal,
  vanillaMeta,
} from "../files/support/made-files.js";
import { runCli } from "./run-cli.js";

const meta = vanillaMeta({ raftCommitIndex: 4, currentTerm: 2, votedForNodeId: null });

describe("quorate verify", () => {
  it("ends with 0, 4 or 5, and says what is to be done", async (t) => {
    const folder = temporaryFolder(t);
    const journal = join(folder, `${address}.journal`);
    writeFileSync(`${journal}.meta`, meta);
    writeFileSync(journal, vanillaJournal(log([0, 1, 1, 2])));
    const before = pictureOfFolder(folder);
    const sound = await runCli(["verify", folder]);
    assert.deepEqual([sound.code, sound.err], [0, ""]);
    assert.match(
      sound.out,
      /^127\.0\.0\.1:4001 in \S+: nothing wrong was found \(0 damage, 0 warnings/,
    );
    assert.deepEqual(pictureOfFolder(folder), before);

    writeFileSync(journal, vanillaJournal(log([0, 2, 2, 1])));
    const warned = await runCli(["verify", folder]);
    assert.equal(warned.code, 4);
    assert.match(
      warned.out,
      /^warning {2}term-dip {2}\S+journal\n {2}seen: {3}at entry 4 from 2 to 1\n/m,
    );

    writeFileSync(journal, vanillaJournal(log([0, 1, 1, 2]), 0));
    const damaged = await runCli(["verify", folder, "--json"]);
    assert.equal(damaged.code, 5);
    const { members } = JSON.parse(damaged.out);
    assert.deepEqual([members.length, members[0].worst], [1, "damage"]);
    const [found] = members[0].findings;
    assert.deepEqual(Object.keys(found).sort(), [
      ...["code", "detail", "file", "means", "next", "path", "severity"],
    ]);
    assert.equal(found.code, "journal-end-offset");
  });

  it("says of no file that it is whole where bytes within an entry may have been changed", async (t) => {
    const folder = temporaryFolder(t);
    const journal = vanillaJournal(log([0, 1, 1, 2]));
    // Amid the third entry's command, which carries no checksum.
    journal.fill(0, journal.indexOf("/k/3") - 4, journal.indexOf("/k/3"));
    writeFileSync(join(folder, `${address}.journal.meta`), meta);
    writeFileSync(join(folder, `${address}.journal`), journal);
    const { code, out } = await runCli(["verify", folder]);
    assert.equal(code, 4);
    assert.match(out, /^\S+ in \S+: see the warnings \(0 damage, 1 warning, 0 notes\)\n/);
    assert.match(out, /entry-stops-pysyncobj.*\n.*seen: {3}entry 3: /);
    assert.match(out, /the bytes of this file were changed on the disk/);
  });

  it("does not deny a dump with which nothing could be compared", async () => {
    const files = join(projectRoot(), "protocol", "vectors", "0.3.15", "files");
    const { out } = await runCli(["verify", join(files, "compacted")]);
    assert.match(out, /^ {2}entries 23 to 27; a dump up to entry 24, whose data no older entries/m);
    const none = await runCli(["verify", join(files, "terms")]);
    assert.match(none.out, /^ {2}entries 1 to 20; no dump that/m);
  });

  it("judges one file by itself, and ends with 1 and 2 as all commands do", async (t) => {
    const folder = temporaryFolder(t);
    const path = join(folder, "copy");
    writeFileSync(path, vanillaJournal(log([0, 1, 1, 2]).slice(2)));
    assert.equal((await runCli(["verify", path])).code, 0, "its dump may lie elsewhere");
    assert.equal((await runCli(["verify", join(folder, "none")])).code, 1);
    assert.equal((await runCli(["verify"])).code, 2);
  });

  it("has each of its findings in docs/tools.md, as they are", () => {
    const text = readFileSync(join(projectRoot(), "docs", "tools.md"), "utf8");
    const rows = [...text.matchAll(/^\| `([a-z-]+)` \| (note|warning|damage) \| (.+) \|$/gm)];
    assert.deepEqual(
      rows.map(([, code, severity, means]) => [code, severity, means]),
      Object.entries(verifyFindings).map(([code, { severity, means }]) => [code, severity, means]),
    );
  });
});
