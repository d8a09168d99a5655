import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import { decodeMeta } from "../../protocol/files/meta-format.js";
import { membersIn } from "../../src/files/data-path.js";
import { FilesError } from "../../src/files/files-error.js";
import { silentLogger } from "../../src/logger.js";
import { Storage } from "../../src/storage/storage.js";
import { forceNewCluster } from "../../src/tools/recover/force-new-cluster.js";
import { resetMember } from "../../src/tools/recover/reset-member.js";
import {
  address,
  log,
  pictureOfFolder,
  quorateMember,
  temporaryFolder,
} from "../files/support/made-files.js";

const now = new Date("2026-01-31T09:00:00Z");

test("files that may lack acknowledged entries are refused as they are, byte for byte", async (t) => {
  const folder = temporaryFolder(t);
  await quorateMember(folder, [log([0, 1, 1, 2, 2]).slice(1)]);
  const journal = join(folder, `${address}.journal`);
  rmSync(`${journal}.meta`);
  // What a start removes, and what it cuts off.
  writeFileSync(`${journal}.tmp`, "left over");
  const before = pictureOfFolder(folder);
  const [member] = membersIn(folder, readdirSync(folder));
  assert.ok(member !== undefined);

  await assert.rejects(
    forceNewCluster(member, { now, acceptsIncomplete: false, named: [] }),
    (error) => {
      assert.ok(error instanceof FilesError);
      assert.equal(error.code, "refused");
      assert.match(
        error.message,
        /term and vote are missing.*--accept-incomplete.*Nothing was changed/,
      );
      return true;
    },
  );
  assert.deepEqual(pictureOfFolder(folder), before);

  const made = await forceNewCluster(member, { now, acceptsIncomplete: true, named: [] });
  assert.equal(made.lastIndex, 5);
  const kept = readFileSync(join(made.setAsideTo, `${address}.journal`)).toString("hex");
  assert.equal(kept, before.get(`${address}.journal`)?.split(" ")[1]);
});

test("a member that does not know its term does not know it after a reset either", async (t) => {
  for (const forgotTerm of [true, false]) {
    const folder = temporaryFolder(t);
    await quorateMember(folder, [log([0, 1, 1]).slice(1)]);
    const logger = silentLogger;
    const { storage } = await Storage.open({ dataDir: folder, selfAddr: address, logger });
    await storage.write([{ kind: "must-refetch", missing: true, forgotTerm }]);
    await storage.close();
    const [member] = membersIn(folder, readdirSync(folder));
    assert.ok(member !== undefined);
    await resetMember(member, { now, keepsPromises: true });
    const { meta } = decodeMeta(readFileSync(join(folder, `${address}.journal.meta`)), crc32);
    assert.deepEqual([meta.mustRefetch, meta.forgotTerm], [true, forgotTerm]);
  }
});
