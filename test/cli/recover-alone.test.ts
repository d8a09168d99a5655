import assert from "node:assert/strict";
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { type Logger, silentLogger } from "../../src/logger.js";
import { Storage } from "../../src/storage/storage.js";
import {
  address,
  log,
  pictureOfFolder,
  quorateMember,
  temporaryFolder,
} from "../files/support/made-files.js";
import { type CliResult, runCli } from "./run-cli.js";

/* A cluster of one has no other member that could complete it, and none to be asked. */

function configOf(t: TestContext, raft: string): string {
  const path = join(temporaryFolder(t), "patroni.yml");
  writeFileSync(path, `raft:\n${raft}`);
  return path;
}

const itself = `  self_addr: "${address}"\n`;

function recover(folder: string, ...flags: string[]): Promise<CliResult> {
  return runCli(["recover", folder, "--force-new-cluster", "--accept-incomplete", ...flags]);
}

/** What a start makes of the files. */
async function start(folder: string, logger: Logger = silentLogger) {
  const given = { dataDir: folder, selfAddr: address, logger };
  const { storage, recovered } = await Storage.open(given);
  await storage.close();
  return recovered;
}

/** The journal is no journal any more, and there is no dump. */
async function damaged(t: TestContext): Promise<string> {
  const folder = temporaryFolder(t);
  await quorateMember(folder, [log([0, 1, 1, 1]).slice(1)]);
  const path = join(folder, `${address}.journal`);
  writeFileSync(path, readFileSync(path).fill(0x78));
  return folder;
}

describe("quorate recover, of a cluster of one", () => {
  for (const isStarted of [false, true]) {
    it(`frees it, ${isStarted ? "also when a start has found the damage" : "not started since"}`, async (t) => {
      const folder = await damaged(t);
      if (isStarted) assert.equal((await start(folder)).mustRefetch, true);
      const config = ["--config", configOf(t, itself)];
      const before = pictureOfFolder(folder);
      const plan = await recover(folder, ...config, "--dry-run");
      assert.deepEqual([plan.code, plan.err], [0, ""]);
      assert.match(plan.out, /^gives up +nobody: files and configuration name no other member$/m);
      assert.match(plan.out, /WARNING: what these files have lost stays lost/);
      assert.deepEqual(pictureOfFolder(folder), before);

      const { code, out, err } = await recover(folder, ...config, "--yes");
      assert.deepEqual([code, err], [0, ""]);
      assert.match(out, /^Next: start this member\.$/m);
      const { mustRefetch, dump, term } = await start(folder);
      assert.deepEqual([mustRefetch, dump?.members], [false, [address]]);
      assert.ok(term > 9, `term ${term}`);
      const again = await recover(folder, ...config, "--yes");
      assert.deepEqual([again.code, /already: nothing was changed now/.test(again.out)], [0, true]);
    });
  }

  it("is refused where no file says that there are no others", async (t) => {
    const folder = await damaged(t);
    const before = pictureOfFolder(folder);
    const blind = await recover(folder, "--yes");
    assert.deepEqual([blind.code, /name no other member.*--config/s.test(blind.err)], [2, true]);
    // Beside a file that names the others, which nobody gave.
    const env = { PATRONI_RAFT_SELF_ADDR: address };
    const args = ["recover", folder, "--force-new-cluster", "--accept-incomplete", "--yes"];
    assert.equal((await runCli(args, { env })).code, 2);
    const nobody = await recover(folder, "--config", configOf(t, "  password: x\n"), "--yes");
    assert.deepEqual([nobody.code, /name no other member/.test(nobody.err)], [2, true]);
    assert.deepEqual(pictureOfFolder(folder), before);
  });

  it("is brought to its end where the term alone was not stored", async (t) => {
    const folder = temporaryFolder(t);
    await quorateMember(folder, [log([0, 1, 1, 1]).slice(1)]);
    const config = ["--config", configOf(t, itself)];
    const made = JSON.parse((await recover(folder, ...config, "--yes", "--json")).out);
    assert.deepEqual(made.formerMembers, []);
    const meta = `${address}.journal.meta`;
    const stored = readFileSync(join(folder, meta));
    copyFileSync(join(made.setAsideTo, meta), join(folder, meta));
    const { code, err } = await recover(folder, "--yes");
    assert.deepEqual([code, err], [0, ""]);
    assert.notDeepEqual(readFileSync(join(folder, meta)), stored, "a term above the first one's");
    assert.equal((await start(folder)).mustRefetch, false);
  });
});

describe("a damaged cluster of one, as the log of its start advises", () => {
  for (const kind of ["journal", "dump", "journal.meta"] as const) {
    for (const isGone of [false, true]) {
      it(`goes on after repair --alone: ${kind} ${isGone ? "gone" : "garbage"}`, async (t) => {
        const folder = temporaryFolder(t);
        const written = log([0, 1, 1, 1, 1, 1, 1, 1]).slice(1);
        await quorateMember(folder, [written], { dumpAt: 6, members: [address] });
        const path = join(folder, `${address}.${kind}`);
        if (isGone) rmSync(path);
        else writeFileSync(path, readFileSync(path).fill(0x78));
        const said: string[] = [];
        const note = (message: string) => void said.push(message);
        const found = await start(folder, { ...silentLogger, error: note });
        assert.equal(found.mustRefetch, true);
        assert.ok(
          said.some((line) => line.includes("`quorate repair --alone`")),
          said.join("\n"),
        );
        const path_ = join(folder, address);
        const { code, out, err } = await runCli([
          ...["repair", path_, "--alone", "--yes"],
          ...["--config", configOf(t, itself)],
        ]);
        assert.deepEqual([code, err], [0, ""], out);
        const { mustRefetch, entries } = await start(folder);
        assert.equal(mustRefetch, false);
        assert.equal(entries.at(-1)?.index, found.entries.at(-1)?.index);
      });
    }
  }
});
