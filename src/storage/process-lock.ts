import { createHash } from "node:crypto";
import * as fs from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { basename, dirname, join } from "node:path";
import type { FileLock } from "./file-system.js";
import { lockHolderAnswerMs } from "./limits.js";
import { StorageError, systemCode } from "./storage-error.js";

/**
 * Node has no flock, and a lock file outlives a killed process. On Linux the lock is a listening
 * socket in the abstract namespace: the kernel lets one process bind the name, and frees it when
 * that process ends, however it ends. The name is made from the directory's device and inode, so
 * that two paths to one directory collide. Processes in different network namespaces (two
 * containers that share a volume) do not see each other's sockets: the look through /proc finds
 * those that share the process namespace, and vanilla members, which take no lock at all.
 */
export async function lockFiles(journal: string): Promise<FileLock> {
  if (process.platform !== "linux") return await lockByFile(journal);
  const folder = await fs.stat(dirname(journal), { bigint: true });
  const identity = `${folder.dev}:${folder.ino}:${basename(journal)}`;
  const name = `\0quorate-${createHash("sha256").update(identity).digest("hex")}`;
  const server = await bind(name, journal);
  const other = await findHolder(journal);
  if (other !== null) {
    await closeServer(server);
    throw locked(journal, other);
  }
  return { release: () => closeServer(server) };
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
    throw new StorageError("io", journal, "the lock cannot be taken", { cause: error });
  }
  throw locked(journal, await askHolder(name));
}

/** The process id that the lock's holder tells; null where it does not answer in time. */
function askHolder(name: string): Promise<number | null> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(name);
    const finish = () => {
      socket.destroy();
      resolve(/^\d+$/.test(answer) ? Number(answer) : null);
    };
    socket.setTimeout(lockHolderAnswerMs, finish);
    socket.on("data", (chunk) => {
      answer += chunk.toString("latin1");
    });
    socket.on("end", finish);
    socket.on("error", finish);
  });
}

/** Another process that holds the journal open, where /proc shows one. Best effort. */
export async function findHolder(journal: string): Promise<number | null> {
  const file = await fs.stat(journal).catch(() => null);
  if (file === null) return null;
  const names = await fs.readdir("/proc").catch(() => []);
  for (const name of names) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const folder = join("/proc", name, "fd");
    const descriptors = await fs.readdir(folder).catch(() => []);
    for (const descriptor of descriptors) {
      if (await isSameFile(join(folder, descriptor), file)) return Number(name);
    }
  }
  return null;
}

async function isSameFile(link: string, file: { dev: number; ino: number }): Promise<boolean> {
  // The name first: a stat through a descriptor of a dead network mount can hang.
  const target = await fs.readlink(link).catch(() => "");
  if (!target.endsWith(".journal")) return false;
  const stat = await fs.stat(link).catch(() => null);
  return stat !== null && stat.dev === file.dev && stat.ino === file.ino;
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
  const who = holder === null ? "another process" : `process ${holder}`;
  return new StorageError("locked", journal, `in use by ${who}: stop it first`);
}
