import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { lstatSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
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

test("what is no file is not replaced, and nobody is told to force it", async (t) => {
  const folder = temporaryFolder(t);
  const at = (name: string) => join(folder, name);
  execFileSync("mkfifo", [at("pipe")]);
  symlinkSync("/dev/null", at("to-device"));
  symlinkSync("pipe", at("to-pipe"));
  for (const name of ["pipe", "to-device", "to-pipe", "."]) {
    for (const mayReplace of [false, true]) {
      await assert.rejects(NewFile.create(at(name), mayReplace), (error: Error) => {
        assert.match(error.message, /is no file: choose another name$/);
        return error.name === "NotAFileError";
      });
    }
  }
  assert.ok(lstatSync(at("pipe")).isFIFO() && lstatSync(at("to-device")).isSymbolicLink());
  assert.deepEqual(readdirSync(folder).sort(), ["pipe", "to-device", "to-pipe"]);
});

test("where a link leads to a file, that one is replaced, and the link stays", async (t) => {
  const folder = temporaryFolder(t);
  const link = join(folder, "latest");
  writeFileSync(join(folder, "monday"), "old");
  symlinkSync("monday", link);
  await assert.rejects(NewFile.create(link, false), { name: "FileExistsError" });
  const file = await NewFile.create(link, true);
  await file.write(Buffer.from("new"));
  await file.commit();
  assert.ok(lstatSync(link).isSymbolicLink());
  assert.equal(readFileSync(join(folder, "monday"), "utf8"), "new");
});

test("a link that leads nowhere is a name that is taken", async (t) => {
  const link = join(temporaryFolder(t), "latest");
  symlinkSync("none", link);
  await assert.rejects(NewFile.create(link, false), { name: "FileExistsError" });
  const file = await NewFile.create(link, true);
  await file.commit();
  assert.ok(lstatSync(link).isFile());
});
