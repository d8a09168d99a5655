import { constants } from "node:fs";
import * as fs from "node:fs/promises";
import type { FileHandle, FileLock, FileSystem } from "./file-system.js";
import { readChunkBytesMax } from "./limits.js";
import { lockFiles } from "./process-lock.js";

const flags = {
  read: constants.O_RDONLY,
  update: constants.O_RDWR,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC,
} as const;

/** Nobody but the member's user has a reason to read what Patroni stores. */
const fileMode = 0o600;
const directoryMode = 0o700;

/** The real file system. All calls run in Node's thread pool, none on the event loop. */
export const nodeFileSystem: FileSystem = {
  async open(path, mode) {
    return new NodeFileHandle(await fs.open(path, flags[mode], fileMode));
  },
  rename: (from, to) => fs.rename(from, to),
  unlink: (path) => fs.unlink(path),
  list: (directory) => fs.readdir(directory),
  async makeDirectory(path) {
    await fs.mkdir(path, { recursive: true, mode: directoryMode });
  },
  async syncDirectory(path) {
    const handle = await fs.open(path, constants.O_RDONLY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  lock: (journal): Promise<FileLock> => lockFiles(journal),
};

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
