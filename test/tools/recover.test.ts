import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { membersIn } from "../../src/files/data-path.js";
import { FilesError } from "../../src/files/files-error.js";
import { forceNewCluster } from "../../src/tools/recover/force-new-cluster.js";
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

  await assert.rejects(forceNewCluster(member, { now, acceptsIncomplete: false }), (error) => {
    assert.ok(error instanceof FilesError);
    assert.equal(error.code, "refused");
    assert.match(
      error.message,
      /term and vote are missing.*--accept-incomplete.*Nothing was changed/,
    );
    return true;
  });
  assert.deepEqual(pictureOfFolder(folder), before);

  const made = await forceNewCluster(member, { now, acceptsIncomplete: true });
  assert.equal(made.lastIndex, 5);
  const kept = readFileSync(join(made.setAsideTo, `${address}.journal`)).toString("hex");
  assert.equal(kept, before.get(`${address}.journal`)?.split(" ")[1]);
});
