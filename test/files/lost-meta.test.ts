import assert from "node:assert/strict";
import { copyFileSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { crc32 } from "node:zlib";
import { projectRoot } from "../../interop-tests/support/project.js";
import { decodeMeta } from "../../protocol/files/meta-format.js";
import { findData } from "../../src/files/data-path.js";
import { verifyMember } from "../../src/files/verify.js";
import { silentLogger } from "../../src/logger.js";
import { nodeFileSystem } from "../../src/storage/node-file-system.js";
import { type Recovered, Storage } from "../../src/storage/storage.js";
import { runCli } from "../cli/run-cli.js";
import { address, temporaryFolder } from "./support/made-files.js";

type Kind = "journal" | "journal.meta" | "dump";

/** Files that real members have left, as those of one member. */
function folderOf(t: TestContext, version: string, stem: string, kinds: readonly Kind[]): string {
  const folder = temporaryFolder(t);
  const from = join(projectRoot(), "protocol", "vectors", version, "files");
  for (const kind of kinds) {
    copyFileSync(join(from, `${stem}.${kind}`), join(folder, `${address}.${kind}`));
  }
  return folder;
}

async function codesOn(folder: string): Promise<readonly string[]> {
  const found = await findData(nodeFileSystem, folder);
  assert.ok(found.kind === "members" && found.members[0] !== undefined);
  const { findings } = await verifyMember(nodeFileSystem, found.members[0]);
  // The dumps are those of members with other addresses.
  return findings.flatMap(({ code }) => (code === "dump-not-member" ? [] : [code])).sort();
}

async function start(folder: string): Promise<Recovered> {
  const given = { dataDir: folder, selfAddr: address, logger: silentLogger };
  const { storage, recovered } = await Storage.open(given);
  await storage.close();
  return recovered;
}

describe("a journal of PySyncObj without its meta file", () => {
  for (const version of ["0.3.16", "0.3.17"]) {
    for (const [stem, kinds, last] of [
      ["terms", ["journal"], 20],
      ["compacted", ["journal", "dump"], null],
      ["snapshot-received", ["journal", "dump"], null],
    ] as const) {
      it(`${version}, ${stem}: has lost its vote, and waits for a leader`, async (t) => {
        const folder = folderOf(t, version, stem, kinds);
        assert.deepEqual(await codesOn(folder), ["meta-lost"]);
        const { mustRefetch, forgotTerm, votedFor, entries } = await start(folder);
        assert.deepEqual([mustRefetch, forgotTerm, votedFor], [true, true, null]);
        if (last !== null) assert.equal(entries.at(-1)?.index, last);
        assert.deepEqual((await start(folder)).mustRefetch, true, "after another start too");
      });

      it(`${version}, ${stem}: is as it was where the meta file is there`, async (t) => {
        const folder = folderOf(t, version, stem, [...kinds, "journal.meta"]);
        assert.deepEqual(await codesOn(folder), []);
        const { mustRefetch, forgotTerm } = await start(folder);
        assert.deepEqual([mustRefetch, forgotTerm], [false, false]);
      });
    }

    it(`${version}: is mended with the highest term, no vote and the mark`, async (t) => {
      const folder = folderOf(t, version, "terms", ["journal"]);
      const { code, out } = await runCli(["repair", folder, "--yes"]);
      assert.deepEqual([code, /meta-lost/.test(out)], [0, true]);
      assert.match(out, /there is none, and PySyncObj 0\.3\.1[67] has made the journal/);
      const bytes = readFileSync(join(folder, `${address}.journal.meta`));
      const { term, votedFor, mustRefetch, forgotTerm } = decodeMeta(bytes, crc32).meta;
      assert.deepEqual([term, votedFor, mustRefetch, forgotTerm], [5, null, true, true]);
      assert.deepEqual(await codesOn(folder), ["meta-must-refetch"]);
      assert.equal((await start(folder)).mustRefetch, true);
    });

    it(`${version}: with the first entry alone, nobody can say whether it has voted`, async (t) => {
      const folder = folderOf(t, version, "new", ["journal"]);
      assert.deepEqual(await codesOn(folder), ["vote-unknown"]);
      const { code, out } = await runCli(["verify", folder]);
      assert.equal(code, 4);
      assert.match(out, /: see the warnings \(0 damage, 1 warning, 0 notes\)\n/);
      assert.match(out, /next: {3}Nothing where the member had just been made\. Where it may have/);
      assert.equal((await start(folder)).mustRefetch, false);
    });
  }

  it("0.3.15: with the first entry alone, there is nothing to lose", async (t) => {
    const folder = folderOf(t, "0.3.15", "new", ["journal"]);
    assert.deepEqual(await codesOn(folder), ["meta-missing"]);
    assert.equal((await runCli(["verify", folder])).code, 0);
  });

  it("0.3.15: had nothing but a commit index in it", async (t) => {
    const folder = folderOf(t, "0.3.15", "terms", ["journal"]);
    assert.deepEqual(await codesOn(folder), ["meta-missing"]);
    const { out } = await runCli(["verify", folder]);
    assert.match(out, /next: {3}Nothing, as long as nothing newer than 0\.3\.15 has run/);
    const { mustRefetch, term } = await start(folder);
    assert.deepEqual([mustRefetch, term], [false, 5]);
  });

  it("Quorate's own: is lost with the first entry alone", async (t) => {
    const folder = folderOf(t, "0.3.17", "new", ["journal"]);
    await start(folder);
    rmSync(join(folder, `${address}.journal.meta`));
    assert.deepEqual(await codesOn(folder), ["meta-lost"]);
    assert.equal((await start(folder)).mustRefetch, true);
  });
});
