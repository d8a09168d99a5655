import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { NewFile } from "../../src/tools/new-file.js";
import { temporaryFolder } from "../files/support/made-files.js";

test("what a killed process of the same number has left is in nobody's way", async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "dcs.backup");
  // In a container the process that is started has the same number each time.
  writeFileSync(join(folder, `.dcs.backup.${process.pid}.part`), "half");
  const killed = await NewFile.create(path, false);
  await killed.write(Buffer.from("cut short"));
  const file = await NewFile.create(path, false);
  await file.write(Buffer.from("whole"));
  await file.commit();
  assert.equal(readFileSync(path, "utf8"), "whole");
  await killed.abandon();
  assert.deepEqual(readdirSync(folder).sort(), [`.dcs.backup.${process.pid}.part`, "dcs.backup"]);
});
