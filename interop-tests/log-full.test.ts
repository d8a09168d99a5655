import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { SmallDisk } from "./disk/tmpfs.js";
import { eventually } from "./support/eventually.js";
import { freeAddresses } from "./support/free-ports.js";
import { type QuorateMember, spawnQuorate } from "./support/quorate-member.js";
import { openScene } from "./support/scene.js";

/*
 * The log of a member goes to a file on a full disk, or to a terminal that was closed. Neither ends it.
 */

const lostPattern = /\d+ lines of this log could not be written before: ENOSPC/;

function smallDisk(t: TestContext): SmallDisk {
  const disk = new SmallDisk(2 * 1024);
  t.after(() => disk.close());
  return disk;
}

async function startAlone(
  t: TestContext,
  under: readonly string[],
  dataDir?: string,
): Promise<QuorateMember> {
  const [selfAddr = "", http = ""] = await freeAddresses(2);
  const where = dataDir === undefined ? {} : { dataDir };
  return spawnQuorate(openScene(t), { selfAddr, partners: [], http, under, ...where });
}

/** As a shell does for `2>>file`. */
function loggingTo(file: string): readonly string[] {
  return ["/bin/sh", "-c", 'file=$1; shift; exec "$@" 2>>"$file"', "sh", file];
}

async function leads(member: QuorateMember): Promise<void> {
  const role = await eventually(
    "it leads",
    async () => {
      if (!member.child.isRunning) return `ended ${JSON.stringify(await member.child.exited)}`;
      const status = await member.httpStatus().catch(() => null);
      return status?.["role"] === "leader" && "leader";
    },
    { timeoutMs: 60_000 },
  );
  assert.equal(role, "leader", member.child.log());
}

function textOf(file: string): string {
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}

test("a member whose log has no room goes on, and tells of the lost lines later", {
  timeout: 120_000,
}, async (t) => {
  const disk = smallDisk(t);
  const file = join(disk.folder, "quorate.log");
  const member = await startAlone(t, loggingTo(file));
  await leads(member);
  disk.fillTo(0);
  // Each of them is a line of the log: more than the rest of the page that the file has.
  for (let n = 0; n < 100; n += 1) {
    member.child.signal("SIGHUP");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await leads(member);
  disk.release();
  await eventually("it tells of them", () => {
    member.child.signal("SIGHUP");
    return lostPattern.test(textOf(file));
  });
  assert.deepEqual(await member.stop("SIGTERM"), { code: 0, signal: null });
  assert.match(textOf(file), /"message":"stopped"/);
});

test("a member waits with the start for room, also where its log has none", {
  timeout: 120_000,
}, async (t) => {
  const disk = smallDisk(t);
  const file = join(disk.folder, "quorate.log");
  writeFileSync(file, "");
  disk.fillTo(0);
  const member = await startAlone(t, loggingTo(file), disk.folder);
  await eventually("it begins", () => readdirSync(disk.folder).length > 2);
  // It says once that it waits, which is lost.
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  assert.ok(member.child.isRunning, "it waits");
  assert.equal(textOf(file), "");
  disk.release();
  await leads(member);
  assert.match(textOf(file), lostPattern);
});

/**
 * Puts standard error on a terminal, which is closed when the file is there. How the process ends then is another matter: Node.js 20
 * aborts where it cannot put the terminal back as it was, after all is written.
 */
const onTerminal = `
import os, pty, select, sys, time
main, other = pty.openpty()
if os.fork() == 0:
    os.close(other)
    end = time.time() + 120
    while not os.path.exists(sys.argv[1]) and time.time() < end:
        if select.select([main], [], [], 0.05)[0]:
            os.read(main, 65536)
    os._exit(0)
os.close(main)
os.dup2(other, 2)
os.execv(sys.argv[2], sys.argv[2:])
`;

test("a member outlives the terminal that it was started from", { timeout: 120_000 }, async (t) => {
  const folder = openScene(t).makeFolder("terminal");
  const flag = join(folder, "closed");
  const member = await startAlone(t, ["python3", "-c", onTerminal, flag]);
  await leads(member);
  writeFileSync(flag, "");
  await new Promise((resolve) => setTimeout(resolve, 500));
  for (let n = 0; n < 5; n += 1) {
    member.child.signal("SIGHUP");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await leads(member);
});
