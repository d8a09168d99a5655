import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { errorCode, isAlive, processIdentity } from "./folder-lock.js";

/**
 * Below the range that the kernel takes for outgoing connections (32768 up), so that none of those
 * takes a port between the choice and the bind. All have five digits: the order of addresses as
 * strings, which decides who connects to whom, is the order of the ports.
 */
const portMin = 20_000;
const portMax = 32_000;

const locksFolder = join(tmpdir(), `quorate-test-ports-${userInfo().uid}`);
const held = new Set<number>();

process.on("exit", () => {
  for (const port of held) rmSync(lockPath(port), { force: true });
});

/**
 * Ports that are free on every address of this machine (a vanilla member listens on 0.0.0.0), in
 * ascending order. They belong to this process until it exits, so parallel test files never meet.
 */
export async function freePorts(count: number): Promise<number[]> {
  mkdirSync(locksFolder, { recursive: true });
  const found: number[] = [];
  const first = portMin + ((process.pid * 61) % (portMax - portMin));
  for (let step = 0; step < portMax - portMin && found.length < count; step++) {
    const port = portMin + ((first - portMin + step) % (portMax - portMin));
    if (!(await tryLock(port))) continue;
    if (await isFree(port)) found.push(port);
    else release(port);
  }
  if (found.length < count) throw new Error(`no ${count} free ports in ${portMin}-${portMax}`);
  return found.sort((a, b) => a - b);
}

/** Addresses `127.0.0.1:port` for members, ascending: the last one connects to all others. */
export async function freeAddresses(count: number): Promise<string[]> {
  return (await freePorts(count)).map((port) => `127.0.0.1:${port}`);
}

async function tryLock(port: number): Promise<boolean> {
  if (held.has(port)) return false;
  const note = (await processIdentity(process.pid)) ?? "";
  try {
    writeFileSync(lockPath(port), note, { flag: "wx" });
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
    // A lock of a process that is gone is removed for the next look; this one goes on, since
    // another process may be about to do the same.
    if (!(await isAlive(readNote(port)))) rmSync(lockPath(port), { force: true });
    return false;
  }
  held.add(port);
  return true;
}

function release(port: number): void {
  held.delete(port);
  rmSync(lockPath(port), { force: true });
}

function lockPath(port: number): string {
  return join(locksFolder, String(port));
}

function readNote(port: number): string {
  try {
    return readFileSync(lockPath(port), "utf8");
  } catch {
    return "";
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host: "0.0.0.0", port, exclusive: true }, () => {
      server.close(() => resolve(true));
    });
  });
}
