import assert from "node:assert/strict";
import { execFile as execFileWithCallback } from "node:child_process";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { eventually } from "./support/eventually.js";
import { projectRoot } from "./support/project.js";
import { openScene, type Scene } from "./support/scene.js";

/** `npm start` as a newcomer meets it. */

const execFile = promisify(execFileWithCallback);

/** The demonstration takes half a minute where nothing else runs. */
const endMsMax = 180_000;

interface StartOptions {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

function start(scene: Scene, { args, env = {} }: StartOptions) {
  const script = join(projectRoot(), "scripts", "start.js");
  // In the scene's folder: what the demonstration leaves behind would be seen there.
  const TMPDIR = scene.makeFolder("tmp");
  const program = process.execPath;
  return scene.start({ name: "start", program, args: [script, ...args], env: { TMPDIR, ...env } });
}

async function ended(child: ReturnType<typeof start>): Promise<number | null> {
  const exit = await eventually("the end of npm start", () => !child.isRunning && child.exited, {
    timeoutMs: endMsMax,
  });
  return exit.code;
}

test("npm start shows two vanilla members and Quorate through a leader's death", async (t) => {
  const scene = openScene(t);
  const child = start(scene, { args: ["--once"] });
  const code = await ended(child);
  const log = child.log();
  assert.equal(code, 0, log);
  assert.match(log, /two real patroni_raft_controllers/);
  assert.match(log, /PySyncObj 0\.3\.17 .* applied index \d+\n.*PySyncObj .*\n.*Quorate /);
  assert.match(log, /killed the leader, .*\(SIGKILL\)/);
  assert.match(log, /all 100 writes are acknowledged/);
  assert.match(log, /it has caught up/);
  assert.match(log, /second\/: 100 keys/);
});

test("without Python npm start takes three Quorate members, and stays up until Ctrl-C", async (t) => {
  const scene = openScene(t);
  const path = scene.makeFolder("bin");
  symlinkSync(process.execPath, join(path, "node"));
  const child = start(scene, { args: [], env: { PATH: path } });
  await eventually(
    "the invitation",
    () => {
      if (!child.isRunning) assert.fail(child.log());
      return child.log().includes("stays up until Ctrl-C");
    },
    { timeoutMs: endMsMax },
  );
  const log = child.log();
  assert.match(log, /three Quorate members[^\n]*\n[^\n]*python3 is not installed/);
  assert.match(log, /second\/: 100 keys/);
  assert.match(log, /node bin\/quorate\.js status --addr 127\.0\.0\.1:\d+/);
  const url = /curl '(http:[^']*\/v1\/status)'/.exec(log)?.[1];
  assert.ok(url !== undefined, log);
  assert.equal((await fetch(url)).status, 200);
  const put = /node (bin\/quorate\.js kv put .*)/.exec(log)?.[1];
  assert.ok(put !== undefined, log);
  const options = { cwd: projectRoot(), timeout: 30_000 };
  const { stdout } = await execFile(process.execPath, put.split(" "), options);
  assert.match(stdout, /^set "\/demo\/mine"/);

  child.signal("SIGINT");
  assert.equal(await ended(child), 0, child.log());
  await assert.rejects(fetch(url), "the members end with npm start");
});

test("npm start refuses arguments that it does not know", async (t) => {
  const child = start(openScene(t), { args: ["--onec"] });
  assert.equal(await ended(child), 2);
  assert.match(child.log(), /knows --once, not --onec/);
});
