import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import * as fs from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { FileLock } from "./file-system.js";
import {
  holderEndsMsMax,
  holderLooksMax,
  holderPollMs,
  linksAtOnce,
  lockHolderAnswerMs,
} from "./limits.js";
import { StorageError, storageFault, systemCode } from "./storage-error.js";

/**
 * Node has no flock, and a lock file outlives a killed process. On Linux the lock is a listening
 * socket in the abstract namespace: the kernel lets one process bind the name, and frees it when
 * that process ends, however it ends. The name is made from the directory's device and inode, so
 * that two paths to one directory collide. Processes in different network namespaces (two
 * containers that share a volume) do not see each other's sockets: for them there is flock(2) as
 * well, by a program that every Linux system has (see `flockFile`). The look through /proc finds
 * vanilla members, which take no lock at all.
 */
export async function lockFiles(journal: string): Promise<FileLock> {
  if (process.platform !== "linux") return await lockByFile(journal);
  const name = await socketName(journal);
  const server = await bind(name, journal);
  try {
    const other = await holderThatStays(journal);
    if (other !== null) throw locked(journal, other);
    const file = await flockFile(journal);
    return {
      ...(file.remark === undefined ? {} : { remark: file.remark }),
      release: async () => {
        await file.release();
        await closeServer(server);
      },
    };
  } catch (error) {
    await closeServer(server);
    throw error;
  }
}

/**
 * Who would keep a lock off at this moment, for somebody who only looks: no lock is taken, no file is made.
 *
 * @returns the error that taking the lock would end with; null where nobody is seen.
 */
export async function findLock(journal: string): Promise<StorageError | null> {
  if (process.platform !== "linux") {
    const holder = Number(await fs.readFile(`${journal}.lock`, "latin1").catch(() => ""));
    return isAlive(holder) ? locked(journal, holder) : null;
  }
  const [isHeld, owner] = await askSocket(await socketName(journal));
  if (isHeld) return locked(journal, owner);
  const holder = await findHolder(journal);
  if (holder !== null) return locked(journal, holder);
  // In another container: only the lock on the file tells. A free one is ours for the moment of the look.
  const file = await fs.open(`${journal}.quorate-lock`, constants.O_RDWR).catch(() => null);
  if (file === null) return null;
  try {
    return (await runFlock(file.fd)) === flockHeld ? locked(journal, null) : null;
  } finally {
    await file.close();
  }
}

async function socketName(journal: string): Promise<string> {
  const folder = await fs.stat(dirname(journal), { bigint: true });
  const identity = `${folder.dev}:${folder.ino}:${basename(journal)}`;
  return `\0quorate-${createHash("sha256").update(identity).digest("hex")}`;
}

/**
 * The lock belongs to the open file, which the program `flock` shares with us: it stays when that
 * program has ended, and goes with our last handle, however we end. Where there is no such program
 * the other two ways have to do.
 */
async function flockFile(journal: string): Promise<FileLock> {
  const path = `${journal}.quorate-lock`;
  for (;;) {
    const file = await fs.open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      const code = await runFlock(file.fd);
      if (code === flockHeld) throw locked(journal, null);
      const [ours, named] = [await file.stat(), await fs.stat(path).catch(() => null)];
      // Its last holder may have removed the name between our two calls.
      if (named?.ino === ours.ino) {
        return {
          ...(code === flockTaken ? {} : { remark: notFlocked(path, code) }),
          release: async () => {
            await fs.unlink(path).catch(() => {});
            await file.close();
          },
        };
      }
    } catch (error) {
      await file.close();
      throw error;
    }
    await file.close();
  }
}

/** What `flock -n` ends with where we have the lock now, and where another process holds it. */
const flockTaken = 0;
const flockHeld = 1;

function notFlocked(path: string, code: number | null): string {
  const why = code === null ? "there is no program flock" : `flock ended with ${code}`;
  return `${path} is not locked (${why}): a member in another container on this directory would go unseen`;
}

/** Its exit code; null where it cannot be run. */
function runFlock(fd: number): Promise<number | null> {
  return new Promise((resolve) => {
    const child = spawn("flock", ["-n", "3"], { stdio: ["ignore", "ignore", "ignore", fd] });
    child.once("error", () => resolve(null));
    child.once("exit", (code) => resolve(code));
  });
}

async function bind(name: string, journal: string): Promise<Server> {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.end(String(process.pid));
  });
  const error = await new Promise<Error | null>((resolve) => {
    server.once("error", resolve);
    server.listen(name, () => resolve(null));
  });
  if (error === null) {
    server.unref();
    return server;
  }
  if (systemCode(error) !== "EADDRINUSE") {
    throw storageFault(error, journal, "taking the lock");
  }
  const [, owner] = await askSocket(name);
  throw locked(journal, owner);
}

/**
 * Whether somebody holds the lock, and the process id that the holder tells; null where it does not answer in
 * time.
 */
function askSocket(name: string): Promise<readonly [isHeld: boolean, pid: number | null]> {
  return new Promise((resolve) => {
    let answer = "";
    let isHeld = false;
    const socket = connect(name);
    socket.on("connect", () => {
      isHeld = true;
    });
    const finish = () => {
      socket.destroy();
      resolve([isHeld, /^\d+$/.test(answer) ? Number(answer) : null]);
    };
    socket.setTimeout(lockHolderAnswerMs, finish);
    socket.on("data", (chunk) => {
      answer += chunk.toString("latin1");
    });
    socket.on("end", finish);
    socket.on("error", finish);
  });
}

async function holderThatStays(journal: string): Promise<number | null> {
  const endMs = performance.now() + holderEndsMsMax;
  for (;;) {
    const holder = await findHolder(journal);
    if (holder === null || performance.now() >= endMs) return holder;
    await sleep(holderPollMs);
  }
}

/** Another process that holds the journal open, where /proc shows one. Best effort. */
export async function findHolder(journal: string): Promise<number | null> {
  for (let attempt = 1; ; attempt++) {
    const before = await identify(journal);
    if (before === null) return null;
    const holder = await holderOf(journal, before);
    if (holder !== null || attempt === holderLooksMax) return holder;
    // A member that compacts puts a new journal in the place of the one that we looked for, and
    // the next one may have the old one's inode again.
    const after = await identify(journal);
    if (isSame(before, after) && after?.ctimeMs === before.ctimeMs) return null;
  }
}

async function holderOf(journal: string, file: FileIdentity): Promise<number | null> {
  const path = await fs.realpath(journal).catch(() => journal);
  const names = await fs.readdir("/proc").catch(() => []);
  for (const name of names) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const folder = join("/proc", name, "fd");
    for (const { link, target } of await openJournals(folder)) {
      const held = await identify(link);
      // Of this name, and another file than at the beginning of our look: it may have been replaced.
      if (held === null || (!isSame(file, held) && target !== path)) continue;
      // Also where it is the same: the journal may have been replaced, and its inode be another member's by now.
      if (isSame(held, await identify(journal))) return Number(name);
    }
  }
  return null;
}

/** The descriptors in a folder of /proc that are of a file with a journal's name. */
async function openJournals(folder: string): Promise<{ link: string; target: string }[]> {
  const links = (await fs.readdir(folder).catch(() => [])).map((each) => join(folder, each));
  const found: { link: string; target: string }[] = [];
  for (let from = 0; from < links.length; from += linksAtOnce) {
    const some = links.slice(from, from + linksAtOnce).map(async (link) => {
      // The name first: a stat through a descriptor of a dead network mount can hang.
      return { link, target: await fs.readlink(link).catch(() => "") };
    });
    found.push(...(await Promise.all(some)).filter(({ target }) => target.endsWith(".journal")));
  }
  return found;
}

interface FileIdentity {
  readonly dev: number;
  readonly ino: number;
  readonly ctimeMs: number;
}

function identify(path: string): Promise<FileIdentity | null> {
  return fs.stat(path).catch(() => null);
}

function isSame(one: FileIdentity, other: FileIdentity | null): boolean {
  return one.dev === other?.dev && one.ino === other.ino;
}

/**
 * Elsewhere than on Linux: a file that names the process id. A file left by a process that is gone
 * is replaced; two starts in the same instant after a crash could both do so.
 */
async function lockByFile(journal: string): Promise<FileLock> {
  const path = `${journal}.lock`;
  for (const attempt of [1, 2]) {
    try {
      await fs.writeFile(path, String(process.pid), { flag: "wx", mode: 0o600 });
      return { release: () => fs.unlink(path) };
    } catch (error) {
      if (systemCode(error) !== "EEXIST") throw error;
      const holder = Number(await fs.readFile(path, "latin1").catch(() => ""));
      if (attempt === 2 || isAlive(holder)) throw locked(journal, holder);
      await fs.unlink(path).catch(() => {});
    }
  }
  throw locked(journal, null);
}

function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return systemCode(error) === "EPERM";
  }
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

function locked(journal: string, holder: number | null): StorageError {
  const who = holder === null ? "a process that is not seen from here" : `process ${holder}`;
  return new StorageError(
    "locked",
    journal,
    `in use by ${who}: stop it first. Nothing was touched`,
  );
}
