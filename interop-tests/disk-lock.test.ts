import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { freeAddresses } from "./support/free-ports.js";
import { projectRoot } from "./support/project.js";
import { startQuorate } from "./support/quorate-member.js";
import { openScene } from "./support/scene.js";
import { startVanilla } from "./support/vanilla-member.js";

/* One data directory, two processes: the second one is refused, wherever it runs. */

interface Second {
  readonly code: number | null;
  readonly said: string;
}

/** A second `quorate run` on the same files, which must end by itself. */
function second(selfAddr: string, dataDir: string, under: readonly string[] = []): Promise<Second> {
  const quorate = [join(projectRoot(), "bin", "quorate.js"), "run"];
  const flags = ["--self-addr", selfAddr, "--data-dir", dataDir];
  const [program = "", ...args] = [...under, process.execPath, ...quorate, ...flags];
  return new Promise((resolve) => {
    const child = execFile(program, args, { timeout: 20_000 }, (_error, _out, said) =>
      resolve({ code: child.exitCode, said }),
    );
  });
}

function assertRefused({ code, said }: Second, who: string | RegExp): void {
  assert.equal(code, 1, said);
  const lines = said.trim().split("\n");
  assert.equal(lines.length, 1, said);
  assert.match(said, /\.journal: in use by .*: stop it first\. Nothing was touched/);
  assert.match(said, typeof who === "string" ? new RegExp(`in use by ${who}:`) : who);
}

test("a second process on a data directory is refused", { timeout: 120_000 }, async (t) => {
  const scene = openScene(t);
  const [selfAddr = ""] = await freeAddresses(1);
  const first = await startQuorate(scene, { selfAddr, partners: [] });
  const { dataDir } = first;
  assertRefused(await second(selfAddr, dataDir), `process ${first.child.pid}`);
  // By another way to the same directory.
  assertRefused(await second(selfAddr, `/proc/self/root${dataDir}`), /in use by/);

  await t.test("from another network namespace", async () => {
    const said = await second(selfAddr, dataDir, ["unshare", "--net"]);
    assertRefused(said, `process ${first.child.pid}`);
  });
  await t.test("from another network and process namespace, as in a container", async () => {
    const container = ["unshare", "--net", "--pid", "--fork", "--mount-proc"];
    assertRefused(
      await second(selfAddr, dataDir, container),
      "a process that is not seen from here",
    );
  });
  await t.test("and is not after a SIGKILL of the first", async () => {
    await first.stop("SIGKILL");
    const next = await startQuorate(scene, { selfAddr, partners: [] });
    await next.stop("SIGTERM");
    assert.ok(
      !readdirSync(dataDir).some((name) => name.includes("lock")),
      "nothing is left behind",
    );
  });
});

test("files that a PySyncObj member has open are refused", { timeout: 60_000 }, async (t) => {
  const scene = openScene(t);
  const [selfAddr = ""] = await freeAddresses(1);
  const vanilla = await startVanilla(scene, { version: "0.3.17", selfAddr, partners: [] });
  assertRefused(await second(selfAddr, vanilla.dataDir), `process ${vanilla.child.pid}`);
  await vanilla.stop("SIGKILL");
  const next = await startQuorate(scene, { selfAddr, partners: [], dataDir: vanilla.dataDir });
  await next.stop("SIGTERM");
});
