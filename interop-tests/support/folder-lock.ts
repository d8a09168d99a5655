import { mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** The slowest thing done under a lock is a download; longer than this, something is stuck. */
const waitMsMax = 10 * 60_000;
/** Between mkdir and the owner's note; a folder without a note for longer was left by a crash. */
const noteMsMax = 10_000;
const pollMs = 100;

/**
 * Runs `work` while no other process runs under the same lock. The lock is a folder (mkdir is
 * atomic) with a note of its owner, so that a lock left by a killed process is taken over.
 *
 * @throws Error when the lock is not free within ten minutes.
 */
export async function withFolderLock<T>(lock: string, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(lock), { recursive: true });
  const deadline = Date.now() + waitMsMax;
  while (!(await tryLock(lock))) {
    if (Date.now() > deadline) {
      throw new Error(`${lock} is held for too long; remove it if no test run is under way`);
    }
    await sleep(pollMs);
  }
  try {
    return await work();
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}

/** Identifies a process even where its pid is used again later: pid and start time. */
export async function processIdentity(pid: number): Promise<string | null> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errorCode(error) === "ESRCH") return null;
  }
  try {
    const fields = (await readFile(`/proc/${pid}/stat`, "latin1")).split(") ").at(-1)?.split(" ");
    // Field 22 of proc(5)'s stat is the start time; the first two went with the split.
    return `${pid} ${fields?.[19] ?? ""}`;
  } catch {
    return `${pid} `;
  }
}

/** True where the note (see processIdentity) names a process that still runs. */
export async function isAlive(note: string): Promise<boolean> {
  const pid = Number.parseInt(note, 10);
  return pid > 0 && (await processIdentity(pid)) === note;
}

export function errorCode(error: unknown): string | null {
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : null;
}

async function tryLock(lock: string): Promise<boolean> {
  try {
    await mkdir(lock);
    await writeFile(join(lock, "owner"), (await processIdentity(process.pid)) ?? "");
    return true;
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
    await dropIfStale(lock);
    return false;
  }
}

async function dropIfStale(lock: string): Promise<void> {
  const owner = await readOwner(lock);
  if (owner === "held" || (owner !== "stale" && (await isAlive(owner)))) return;
  // Moved away first: of two processes that see the same stale lock one moves it. What was moved
  // is looked at again, since a third may have taken the lock in between.
  const aside = `${lock}.stale-${process.pid}`;
  try {
    await rename(lock, aside);
  } catch {
    return;
  }
  if ((await readOwner(aside)) === owner) await rm(aside, { recursive: true, force: true });
  else await rename(aside, lock);
}

async function readOwner(lock: string): Promise<string> {
  try {
    const note = await readFile(join(lock, "owner"), "utf8");
    if (note !== "") return note;
  } catch {
    // Not written yet, or gone: the folder's age decides.
  }
  try {
    return Date.now() - (await stat(lock)).mtimeMs > noteMsMax ? "stale" : "held";
  } catch {
    return "held";
  }
}
