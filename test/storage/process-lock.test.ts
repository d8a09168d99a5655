import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, suite, test } from "node:test";
import { findHolder, lockFiles } from "../../src/storage/process-lock.js";

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

  test("waits for a process that is about to let the journal go", async () => {
    const journal = join(folder, "a:1.journal");
    writeFileSync(journal, "");
    const script =
      'require("fs").openSync(process.argv[1]); console.log("open"); setTimeout(() => {}, 700)';
    const child = spawn(process.execPath, ["-e", script, journal], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(child, "exit");
    await once(child.stdout, "data");
    const lock = await lockFiles(journal);
    await lock.release();
    await ended;
  });

  test("is seen held by a process that puts new journals in the place of old ones", async () => {
    const journal = join(folder, "a:1.journal");
    const script = `
      const { closeSync, openSync, renameSync } = require("fs");
      let held;
      const compact = () => {
        const next = openSync(process.argv[1] + ".new", "w");
        renameSync(process.argv[1] + ".new", process.argv[1]);
        if (held !== undefined) closeSync(held);
        held = next;
      };
      compact();
      console.log("open");
      setInterval(compact, 150);`;
    const child = spawn(process.execPath, ["-e", script, journal], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(child, "exit");
    await once(child.stdout, "data");
    for (let look = 0; look < 40; look++) assert.equal(await findHolder(journal), child.pid);
    child.kill("SIGKILL");
    await ended;
  });
});
