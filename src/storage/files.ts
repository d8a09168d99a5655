import type { FileSystem } from "./file-system.js";
import { storageFault, systemCode } from "./storage-error.js";

/** The files of one member, as upstream names them, and what we put beside them for a while. */
export interface MemberFiles {
  readonly selfAddr: string;
  readonly directory: string;
  readonly journal: string;
  readonly meta: string;
  readonly dump: string;
  /** New journal, dump, received dump: complete or not, of no meaning after a crash. */
  readonly temporaryJournal: string;
  readonly temporaryDumpPrefix: string;
}

export function memberFiles(dataDir: string, selfAddr: string): MemberFiles {
  if (selfAddr === "" || selfAddr.includes("/") || selfAddr.includes("\0")) {
    throw new Error(`no address that can name files: ${selfAddr}`);
  }
  const base = `${dataDir.replace(/\/+$/, "") || (dataDir === "" ? "." : "")}/${selfAddr}`;
  return {
    selfAddr,
    directory: base.slice(0, -selfAddr.length - 1) || "/",
    journal: `${base}.journal`,
    meta: `${base}.journal.meta`,
    dump: `${base}.dump`,
    temporaryJournal: `${base}.journal.quorate-tmp`,
    temporaryDumpPrefix: `${base}.dump.quorate-tmp`,
  };
}

/** The whole file, or null where there is none. A file larger than the limit is cut off there. */
export async function readWhole(
  fs: FileSystem,
  path: string,
  bytesMax: number,
): Promise<Uint8Array | null> {
  try {
    const file = await fs.open(path, "read");
    try {
      return await file.read(0, Math.min(await file.size(), bytesMax));
    } finally {
      await file.close();
    }
  } catch (error) {
    if (systemCode(error) === "ENOENT") return null;
    throw storageFault(error, path, "reading");
  }
}

/** Removes a file that may be gone already. */
export async function removeIfThere(fs: FileSystem, path: string): Promise<void> {
  try {
    await fs.unlink(path);
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw storageFault(error, path, "removing");
  }
}

/** What was set aside of a file, the oldest first. */
export async function asideOf(fs: FileSystem, path: string): Promise<string[]> {
  const slash = path.lastIndexOf("/");
  const names = await fs.list(path.slice(0, slash) || "/");
  const start = `${path.slice(slash + 1)}.damaged-`;
  return names
    .filter((name) => name.startsWith(start))
    .sort()
    .map((name) => path.slice(0, slash + 1) + name);
}

/** `<path>.damaged-20260131T235959.123Z`: beside the file, never in the way of another. */
export async function setAside(fs: FileSystem, path: string, now: Date): Promise<string> {
  const names = new Set(await asideOf(fs, path));
  const first = `${path}.damaged-${now.toISOString().replace(/[-:]/g, "")}`;
  let target = first;
  for (let copy = 2; names.has(target); copy++) target = `${first}-${copy}`;
  try {
    await fs.rename(path, target);
  } catch (error) {
    throw storageFault(error, path, "setting the damaged file aside");
  }
  return target;
}
