import { constants } from "node:fs";
import * as fs from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { FileLock, LinkingFileSystem } from "./file-system.js";
import { NodeFileHandle, openDescriptor } from "./node-file-handle.js";
import { lockFiles } from "./process-lock.js";
import { StorageError, systemCode } from "./storage-error.js";

const flags = {
  read: constants.O_RDONLY,
  update: constants.O_RDWR,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC,
} as const;

const directoryMode = 0o700;

/** The real file system. All calls run in Node's thread pool, none on the event loop. */
export const nodeFileSystem: LinkingFileSystem = {
  async open(path, mode) {
    await refuseOther(path);
    return new NodeFileHandle(path, await openDescriptor(path, flags[mode]));
  },
  rename: (from, to) => fs.rename(from, to),
  link: (from, to) => fs.link(from, to),
  unlink: (path) => fs.unlink(path),
  list: (directory) => fs.readdir(directory),
  async makeDirectory(path) {
    const first = await fs.mkdir(path, { recursive: true, mode: directoryMode });
    if (first === undefined) return;
    // A new directory's own name can be lost with the power as well, and with it all that is inside.
    for (let made = resolve(path); ; made = dirname(made)) {
      await syncDirectory(dirname(made));
      if (made === resolve(first)) break;
    }
  },
  removeDirectory: (path) => fs.rmdir(path),
  syncDirectory,
  lock: (journal): Promise<FileLock> => lockFiles(journal),
};

/**
 * A directory would fail with less clear words, a FIFO would hang the start for good, and a link
 * whose target is not there (a volume that is not mounted) would pass for a file that is missing.
 */
async function refuseOther(path: string): Promise<void> {
  try {
    if ((await fs.stat(path)).isFile()) return;
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
    if ((await fs.lstat(path).catch(() => null)) === null) return;
    throw noFile(path, "a symbolic link to nothing: mount the volume that it leads to");
  }
  throw noFile(path, "a directory or a device, no file: move it away");
}

function noFile(path: string, what: string): StorageError {
  return new StorageError("no-file", path, `${what}, then start the member again. It is untouched`);
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await fs.open(path, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
