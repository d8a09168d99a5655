import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, suite, test } from "node:test";
import { lockFiles } from "../../src/storage/process-lock.js";

suite("the lock of a data directory", () => {
  const path = process.env["PATH"];
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "quorate-lock-"));
  });
  afterEach(() => {
    process.env["PATH"] = path;
    rmSync(folder, { recursive: true });
  });

  test("says where it keeps less off than usual, because there is no program flock", async () => {
    process.env["PATH"] = folder;
    const lock = await lockFiles(join(folder, "a:1.journal"));
    assert.match(lock.remark ?? "", /quorate-lock is not locked \(there is no program flock\)/);
    await lock.release();
  });

  test("says nothing where all is as it should be", async () => {
    const lock = await lockFiles(join(folder, "a:1.journal"));
    assert.equal(lock.remark, undefined);
    await lock.release();
  });
});
