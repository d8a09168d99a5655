import { constants } from "node:fs";
import * as fs from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { FileHandle, FileLock, LinkingFileSystem } from "./file-system.js";
import { readChunkBytesMax } from "./limits.js";
import { lockFiles } from "./process-lock.js";
import { StorageError, systemCode } from "./storage-error.js";

const flags = {
  read: constants.O_RDONLY,
  update: constants.O_RDWR,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC,
} as const;

/** Nobody but the member's user has a reason to read what Patroni stores. */
const fileMode = 0o600;
const directoryMode = 0o700;

/** The real file system. All calls run in Node's thread pool, none on the event loop. */
export const nodeFileSystem: LinkingFileSystem = {
  async open(path, mode) {
    await refuseOther(path);
    return new NodeFileHandle(await fs.open(path, flags[mode], fileMode));
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

class NodeFileHandle implements FileHandle {
  readonly #handle: fs.FileHandle;

  constructor(handle: fs.FileHandle) {
    this.#handle = handle;
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async read(position: number, length: number): Promise<Uint8Array> {
    const room = Math.max(0, Math.min(length, (await this.size()) - position));
    const bytes = Buffer.allocUnsafeSlow(room);
    let filled = 0;
    while (filled < room) {
      const wanted = Math.min(room - filled, readChunkBytesMax);
      const { bytesRead } = await this.#handle.read(bytes, filled, wanted, position + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return bytes.subarray(0, filled);
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    let written = 0;
    while (written < bytes.length) {
      const wanted = Math.min(bytes.length - written, readChunkBytesMax);
      const at = position + written;
      written += (await this.#handle.write(bytes, written, wanted, at)).bytesWritten;
    }
  }

  sync(): Promise<void> {
    return this.#handle.datasync();
  }

  truncate(size: number): Promise<void> {
    return this.#handle.truncate(size);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
