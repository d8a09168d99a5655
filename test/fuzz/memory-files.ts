import type { FileHandle, FileLock, FileSystem } from "../../src/storage/file-system.js";

/** Files in memory, as far as a dump that is received, or looked at, asks for. Nothing is ever lost. */
export class MemoryFiles implements FileSystem {
  readonly files = new Map<string, MemoryFile>();

  put(path: string, bytes: Uint8Array): void {
    this.files.set(path, new MemoryFile(bytes));
  }

  async open(path: string, mode: "read" | "update" | "create"): Promise<FileHandle> {
    if (mode === "create") this.files.set(path, new MemoryFile(new Uint8Array(0)));
    const file = this.files.get(path);
    if (file === undefined) throw missing(path);
    return file;
  }

  async rename(from: string, to: string): Promise<void> {
    const file = this.files.get(from);
    if (file === undefined) throw missing(from);
    this.files.delete(from);
    this.files.set(to, file);
  }

  async unlink(path: string): Promise<void> {
    if (!this.files.delete(path)) throw missing(path);
  }

  async list(): Promise<string[]> {
    return [...this.files.keys()];
  }

  async makeDirectory(): Promise<void> {}

  async syncDirectory(): Promise<void> {}

  async lock(): Promise<FileLock> {
    return { release: async () => {} };
  }
}

class MemoryFile implements FileHandle {
  #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  async size(): Promise<number> {
    return this.#bytes.length;
  }

  /** As from a disk: what is read is the reader's own. */
  async read(position: number, length: number): Promise<Uint8Array> {
    return this.#bytes.slice(position, position + length);
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    const larger = new Uint8Array(Math.max(this.#bytes.length, position + bytes.length));
    larger.set(this.#bytes);
    larger.set(bytes, position);
    this.#bytes = larger;
  }

  async sync(): Promise<void> {}

  async truncate(size: number): Promise<void> {
    this.#bytes = this.#bytes.slice(0, size);
  }

  async close(): Promise<void> {}
}

function missing(path: string): Error {
  return Object.assign(new Error(`no such file: ${path}`), { code: "ENOENT" });
}
