import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { silentLogger } from "../../src/logger.js";
import { Storage } from "../../src/storage/storage.js";
import { NewFile } from "../../src/tools/new-file.js";
import { address, log, quorateMember, temporaryFolder } from "../files/support/made-files.js";

/** What group and others may do. */
function otherRights(path: string): number {
  return statSync(path).mode & 0o077;
}

test("no other user of the machine may read a member's files, however lax its umask is", async (t) => {
  const before = process.umask(0);
  t.after(() => process.umask(before));
  const folder = temporaryFolder(t);
  await quorateMember(folder, [log([0, 1, 1, 1, 1, 1]).slice(1)], { dumpAt: 5 });
  const journal = join(folder, `${address}.journal`);
  writeFileSync(journal, readFileSync(journal).fill(0x78));
  const options = { dataDir: folder, selfAddr: address, logger: silentLogger };
  const { storage } = await Storage.open(options);
  const held = readdirSync(folder);
  await storage.close();
  const backup = await NewFile.create(join(folder, "dcs.backup"), false);
  await backup.commit();
  const names = new Set([...held, ...readdirSync(folder)]);
  const kinds = [".journal", ".journal.meta", ".dump", ".quorate-lock", "dcs.backup"];
  for (const kind of kinds)
    assert.ok(
      [...names].some((name) => name.endsWith(kind)),
      kind,
    );
  assert.ok([...names].some((name) => name.includes(".journal.damaged-")));
  for (const name of readdirSync(folder)) assert.equal(otherRights(join(folder, name)), 0, name);
});
