import { fork } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { shown } from "../report/statistics.js";
import { cpuMs } from "../systems/vital-signs.js";

/** Bytes of a heartbeat and of its answer, as members send them. */
const heartbeatBytes = 127;
const answerBytes = 92;
const periodMs = 100;
const followers = 2;
const settleMs = 60_000;

/**
 * What Node.js itself takes for an idle member's heartbeats, nothing else done: one process sends a few bytes to two others
 * ten times a second, each of which answers with a few. `node dist/bench/micro/bare-heartbeats.js [seconds]`.
 */
async function main(role: string | undefined): Promise<void> {
  if (role === "follower") {
    follow();
    return;
  }
  if (role === "leader") {
    await lead();
    return;
  }
  const seconds = Number(role ?? "60");
  const leader = fork(fileURLToPath(import.meta.url), ["leader"]);
  const [message] = await once(leader, "message");
  const pids = String(message).split(",").map(Number);
  await sleep(settleMs);
  const before = pids.map(spent);
  const began = performance.now();
  await sleep(seconds * 1000);
  const elapsedMs = performance.now() - began;
  pids.forEach((pid, at) => {
    const percent = (100 * (spent(pid) - (before[at] ?? 0))) / elapsedMs;
    process.stdout.write(`${at === 0 ? "leader" : "follower"}: ${shown(percent, 2)} % of a core\n`);
  });
  leader.disconnect();
}

async function lead(): Promise<void> {
  const heartbeat = Buffer.alloc(heartbeatBytes);
  const links: Socket[] = [];
  const server = createServer((link) => {
    link.setNoDelay(true);
    link.on("data", () => {});
    links.push(link);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const others = Array.from({ length: followers }, () =>
    fork(fileURLToPath(import.meta.url), ["follower"], {
      env: { ...process.env, PORT: `${port}` },
    }),
  );
  process.send?.([process.pid, ...others.map(({ pid }) => pid)].join(","));
  setInterval(() => {
    for (const link of links) link.write(heartbeat);
  }, periodMs);
  process.on("disconnect", () => process.exit());
}

function follow(): void {
  const answer = Buffer.alloc(answerBytes);
  const link = connect(Number(process.env["PORT"]), "127.0.0.1");
  link.setNoDelay(true);
  link.on("data", () => link.write(answer));
  link.on("close", () => process.exit());
}

function spent(pid: number): number {
  return cpuMs(pid, readdirSync(`/proc/${pid}/task`));
}

await main(process.argv[2]);
