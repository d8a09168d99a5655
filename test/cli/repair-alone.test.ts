import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { crc32 } from "node:zlib";
import { encodeMeta } from "../../protocol/files/meta-format.js";
import { encodeMembership } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import { emptyMeta } from "../../src/storage/meta-file.js";
import {
  address,
  log,
  pictureOfFolder,
  quorateMember,
  temporaryFolder,
} from "../files/support/made-files.js";
import { type CliResult, runCli } from "./run-cli.js";

/*
 * `repair --alone` has a member vote and lead although something acknowledged may be missing. Where others
 * are named they may hold it, and it would be lost.
 */

const other = "127.0.0.1:4002";
const entries = log([0, 1, 1, 1, 1, 1, 1, 1]).slice(1);

function change(index: number, kind: "add" | "rem", who: string): Entry {
  return { index, term: 1, command: encodeMembership(kind, who) };
}

interface Files {
  readonly dumpMembers?: readonly string[];
  readonly more?: readonly Entry[];
  readonly commitIndex?: number;
}

/** Files of a member that waits for a leader. */
async function waiting(t: TestContext, files: Files): Promise<string> {
  const folder = temporaryFolder(t);
  const { dumpMembers, more = [], commitIndex = 8 } = files;
  const dump = dumpMembers === undefined ? {} : { dumpAt: 6, members: dumpMembers };
  await quorateMember(folder, [[...entries, ...more]], dump);
  const meta = { ...emptyMeta, term: 9, owner: address, mustRefetch: true, commitIndex };
  writeFileSync(join(folder, `${address}.journal.meta`), encodeMeta(meta, crc32));
  return folder;
}

function configOf(t: TestContext, partners: readonly string[]): string {
  const path = join(temporaryFolder(t), "patroni.yml");
  const list = partners.length === 0 ? "" : `  partner_addrs: [${partners.map((p) => `"${p}"`)}]\n`;
  writeFileSync(path, `raft:\n  self_addr: "${address}"\n${list}`);
  return path;
}

const repair = (folder: string, ...flags: string[]): Promise<CliResult> =>
  runCli(["repair", folder, "--alone", ...flags]);

async function isRefused(folder: string, flags: readonly string[], why: RegExp): Promise<void> {
  const before = pictureOfFolder(folder);
  const { code, out, err } = await repair(folder, ...flags, "--yes");
  assert.equal(code, 1, out);
  assert.match(err, why);
  assert.match(err, /Start them.*quorate recover --help.*--certainly-alone\. Nothing was changed/s);
  const looked = await repair(folder, ...flags, "--dry-run");
  assert.equal(looked.code, 1);
  assert.match(looked.out, /: 1 to mend\n/);
  assert.match(looked.err, /^quorate: --yes would refuse: /);
  assert.deepEqual(pictureOfFolder(folder), before);
}

describe("quorate repair --alone", () => {
  it("is refused where the dump names others", async (t) => {
    const folder = await waiting(t, { dumpMembers: [address, other] });
    await isRefused(folder, ["--config", configOf(t, [])], /127\.0\.0\.1:4002: .* by its files\./);
  });

  it("is refused where the journal has added another, or its removal is not known to be committed", async (t) => {
    const added = await waiting(t, { dumpMembers: [address], more: [change(9, "add", other)] });
    await isRefused(added, [], /127\.0\.0\.1:4002: .* by its files\./);
    const removed = { dumpMembers: [address, other], more: [change(9, "rem", other)] };
    await isRefused(await waiting(t, removed), [], /127\.0\.0\.1:4002: .* by its files\./);
    const { code, err } = await repair(await waiting(t, { ...removed, commitIndex: 9 }), "--yes");
    assert.deepEqual([code, err], [0, ""]);
  });

  it("is refused where the configuration names others, a file's or the environment's", async (t) => {
    const folder = await waiting(t, { dumpMembers: [address] });
    const config = configOf(t, [other]);
    await isRefused(folder, ["--config", config], /127\.0\.0\.1:4002: .* by the configuration\./);
    const env = { PATRONI_RAFT_SELF_ADDR: address, PATRONI_RAFT_PARTNER_ADDRS: `'${other}'` };
    const { code, err } = await runCli(["repair", folder, "--alone", "--yes"], { env });
    assert.deepEqual([code, /named by the configuration/.test(err)], [1, true], err);
    const plain = await repair(folder, "--yes");
    assert.deepEqual([plain.code, plain.err], [0, ""]);
  });

  it("demands the configuration where no dump names the members", async (t) => {
    const folder = await waiting(t, {});
    const before = pictureOfFolder(folder);
    const blind = await repair(folder, "--yes");
    assert.deepEqual([blind.code, /do not name all members.*--config/s.test(blind.err)], [2, true]);
    const env = { PATRONI_RAFT_SELF_ADDR: address };
    assert.equal((await runCli(["repair", folder, "--alone", "--yes"], { env })).code, 2);
    assert.deepEqual(pictureOfFolder(folder), before);
    const { code, err } = await repair(folder, "--config", configOf(t, []), "--yes");
    assert.deepEqual([code, err], [0, ""]);
  });

  it("is done with --certainly-alone, whoever is named", async (t) => {
    const folder = await waiting(t, { dumpMembers: [address, other] });
    const { code, err } = await repair(folder, "--certainly-alone", "--yes");
    assert.deepEqual([code, err], [0, ""]);
    assert.match((await repair(folder, "--yes")).out, /there is nothing to mend\n$/);
  });

  it("is asked for with the flags that are its own", async (t) => {
    const folder = await waiting(t, {});
    for (const flags of [["--certainly-alone"], ["--config", configOf(t, [])]]) {
      const { code, err } = await runCli(["repair", folder, "--yes", ...flags]);
      assert.deepEqual([code, /are of --alone/.test(err)], [2, true]);
    }
  });
});
