import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const bin = fileURLToPath(new URL("../../../bin/quorate.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "quorate-run-"));
const children: ChildProcess[] = [];
after(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

class Running {
  readonly child: ChildProcess;
  readonly port: number;
  log = "";
  /** The exit code, once the process is gone and its log complete. */
  readonly ended: Promise<number | null>;

  constructor(port: number, args: readonly string[], env: Record<string, string>) {
    this.port = port;
    const inherited = { PATH: process.env["PATH"] ?? "" };
    this.child = spawn(process.execPath, [bin, "run", ...args], { env: { ...inherited, ...env } });
    this.child.stderr?.on("data", (chunk) => {
      this.log += String(chunk);
    });
    this.ended = new Promise((resolve) => this.child.on("close", resolve));
    children.push(this.child);
  }

  /** Waits for a line of the log; `--http` with port 0 says there which port it got. */
  async untilLogged(pattern: RegExp): Promise<RegExpExecArray> {
    for (let tries = 0; tries < 500; tries += 1) {
      const match = pattern.exec(this.log);
      if (match !== null) return match;
      assert.equal(this.child.exitCode, null, this.log);
      await sleep(20);
    }
    return assert.fail(`${pattern} never came: ${this.log}`);
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  assert.ok(typeof address === "object" && address !== null);
  return address.port;
}

async function startAlone(name: string): Promise<Running> {
  const port = await freePort();
  return new Running(port, ["--http", "127.0.0.1:0"], {
    PATRONI_RAFT_SELF_ADDR: `localhost:${port}`,
    PATRONI_RAFT_DATA_DIR: join(folder, name),
    PATRONI_RAFT_PASSWORD: "topsecret-12345",
  });
}

async function untilHealthy(running: Running): Promise<string> {
  const [, port] = await running.untilLogged(/HTTP server listens .*port=(\d+)/);
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; tries < 200; tries += 1) {
    const response = await fetch(`${url}/health`);
    if (response.status === 200) return url;
    await sleep(50);
  }
  return assert.fail(`never healthy: ${await (await fetch(`${url}/health`)).text()}`);
}

describe("quorate run, alone", { timeout: 60_000 }, () => {
  it("leads with three variables set, answers, and stops on SIGTERM with 0", async () => {
    const running = await startAlone("one");
    const url = await untilHealthy(running);
    const self = `localhost:${running.port}`;
    const status: unknown = await (await fetch(`${url}/v1/status`)).json();
    assert.ok(typeof status === "object" && status !== null && "role" in status);
    assert.equal(status.role, "leader");
    const kv: unknown = await (await fetch(`${url}/v1/kv`)).json();
    assert.deepEqual(Object.keys(kv ?? {}), ["appliedIndex", "entries"]);
    const asked = spawn(process.execPath, [bin, "status", "--addr", self, "--json"], {
      env: { PATH: process.env["PATH"] ?? "", PATRONI_RAFT_PASSWORD: "topsecret-12345" },
    });
    let out = "";
    asked.stdout.on("data", (chunk) => {
      out += String(chunk);
    });
    await once(asked, "close");
    const told = JSON.parse(out);
    assert.deepEqual([told.self, told.role, told.knowsTransfer], [self, "leader", true]);
    assert.match(told.software, /^Quorate /);
    running.child.kill("SIGTERM");
    assert.equal(await running.ended, 0, running.log);
    assert.doesNotMatch(running.log, /topsecret/);
    assert.ok(readdirSync(join(folder, "one")).includes(`${self}.journal`));
  });

  it("keeps its state over a restart, and shows no password among the processes", async () => {
    const running = await startAlone("two");
    const first = await untilHealthy(running);
    assert.doesNotMatch(readFileSync(`/proc/${running.child.pid}/cmdline`, "utf8"), /topsecret/);
    const before: unknown = await (await fetch(`${first}/v1/status`)).json();
    running.child.kill("SIGINT");
    assert.equal(await running.ended, 0, running.log);
    const again = new Running(running.port, ["--http", "127.0.0.1:0"], {
      PATRONI_RAFT_SELF_ADDR: `localhost:${running.port}`,
      PATRONI_RAFT_DATA_DIR: join(folder, "two"),
    });
    const second = await untilHealthy(again);
    const now: unknown = await (await fetch(`${second}/v1/status`)).json();
    assert.ok(termOf(now) > termOf(before));
    again.child.kill("SIGTERM");
    assert.equal(await again.ended, 0, again.log);
  });

  it("goes on where its log cannot be written", async () => {
    const [port, http] = [await freePort(), await freePort()];
    const log = openSync("/dev/full", "w");
    const child = spawn(process.execPath, [bin, "run", "--http", `127.0.0.1:${http}`], {
      env: {
        PATH: process.env["PATH"] ?? "",
        PATRONI_RAFT_SELF_ADDR: `localhost:${port}`,
        PATRONI_RAFT_DATA_DIR: join(folder, "unlogged"),
      },
      stdio: ["ignore", "ignore", log],
    });
    children.push(child);
    closeSync(log);
    const isHealthy = async (): Promise<boolean> => {
      const answer = await fetch(`http://127.0.0.1:${http}/health`).catch(() => null);
      return answer?.status === 200;
    };
    while (!(await isHealthy())) {
      assert.equal(child.exitCode, null, "it ended");
      await sleep(50);
    }
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    assert.deepEqual(await ended, [0, null]);
  });

  it("ends with 1 and one line where its port is taken", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    assert.ok(typeof address === "object" && address !== null);
    const running = await startAlone("three");
    await untilHealthy(running);
    const http = new Running(0, ["--http", `127.0.0.1:${address.port}`], {
      PATRONI_RAFT_SELF_ADDR: `localhost:${await freePort()}`,
      PATRONI_RAFT_DATA_DIR: join(folder, "four"),
    });
    assert.equal(await http.ended, 1);
    assert.match(http.log, /ERROR cannot run: .*EADDRINUSE/);
    assert.doesNotMatch(http.log, /^ {4}at /m);
    server.close();
    running.child.kill("SIGTERM");
    await running.ended;
  });
});

function termOf(status: unknown): number {
  assert.ok(typeof status === "object" && status !== null && "term" in status);
  return Number(status.term);
}
