import type {
  FileHandle,
  FileLock,
  FileSystem,
  LinkingFileSystem,
} from "../../src/storage/file-system.js";
import { type Change, changed, parts } from "./unsynced.js";

/** What a machine does when it stops: decides of each unsynced thing whether it survives. */
export interface Fate {
  /** A number from 0 up to, and without, the limit. */
  pick(limit: number): number;
}

class Crash extends Error {}

interface Inode {
  /** As read through the system's cache. */
  cached: Buffer;
  /** As it would be found after a loss of power. */
  durable: Buffer;
  /** Writes since the last sync, in order. */
  pending: Change[];
}

/**
 * A disk in memory that can stop at any operation. After a loss of power, of what was not synced
 * any subset of sectors is there, and any of the renames and removals; after a kill of the process,
 * all of it is.
 */
export class CrashFileSystem implements LinkingFileSystem {
  /** Operations until the machine stops; -1: never. */
  stopAfter = -1;
  operations = 0;
  /** Called before each operation that changes something; may throw a system error. */
  fault: ((operation: string, path: string) => void) | null = null;
  /** The same for writes alone, told the offset behind what is written. */
  writeFault: ((path: string, end: number) => void) | null = null;
  #names = new Map<string, Inode>();
  readonly #durableNames = new Map<string, Inode>();
  readonly #folders = new Set<string>();
  readonly #pendingNames: (() => void)[] = [];
  #isStopped = false;
  readonly #locks = new Set<string>();
  /** Counts the restarts: handles of a process that is gone do nothing more. */
  life = 0;

  async open(path: string, mode: "read" | "update" | "create"): Promise<FileHandle> {
    this.alive();
    if (mode === "create") {
      this.step("create", path);
      const inode = { cached: Buffer.alloc(0), durable: Buffer.alloc(0), pending: [] };
      this.#names.set(path, inode);
      this.#pendingNames.push(() => this.#durableNames.set(path, inode));
    }
    const inode = this.#names.get(path);
    if (inode === undefined) throw systemError("ENOENT");
    return new CrashHandle(this, inode, path);
  }

  async rename(from: string, to: string): Promise<void> {
    this.step("rename", to);
    const inode = this.#names.get(from);
    if (inode === undefined) throw systemError("ENOENT");
    this.#names.delete(from);
    this.#names.set(to, inode);
    this.#pendingNames.push(() => {
      this.#durableNames.delete(from);
      this.#durableNames.set(to, inode);
    });
  }

  async link(from: string, to: string): Promise<void> {
    this.step("link", to);
    const inode = this.#names.get(from);
    if (inode === undefined) throw systemError("ENOENT");
    if (this.#names.has(to)) throw systemError("EEXIST");
    this.#names.set(to, inode);
    this.#pendingNames.push(() => this.#durableNames.set(to, inode));
  }

  async unlink(path: string): Promise<void> {
    this.step("unlink", path);
    if (!this.#names.delete(path)) throw systemError("ENOENT");
    this.#pendingNames.push(() => this.#durableNames.delete(path));
  }

  async list(directory: string): Promise<string[]> {
    this.alive();
    const start = directory.endsWith("/") ? directory : `${directory}/`;
    const inside = [...this.#names.keys(), ...this.#folders].filter((path) =>
      path.startsWith(start),
    );
    return [...new Set(inside.map((path) => path.slice(start.length).split("/", 1)[0] ?? ""))];
  }

  /** Durable at once, as on the real one; a member's own is there. */
  async makeDirectory(path: string): Promise<void> {
    this.alive();
    if (this.#folders.has(path) || (await this.list(path)).length > 0) return;
    this.step("makeDirectory", path);
    this.#folders.add(path);
  }

  async removeDirectory(path: string): Promise<void> {
    this.step("removeDirectory", path);
    if (this.paths().some((name) => name.startsWith(`${path}/`))) throw systemError("ENOTEMPTY");
    this.#folders.delete(path);
  }

  async syncDirectory(path: string): Promise<void> {
    this.step("syncDirectory", path);
    for (const change of this.#pendingNames.splice(0)) change();
  }

  async lock(journal: string): Promise<FileLock> {
    this.alive();
    if (this.#locks.has(journal)) throw new Error("locked");
    this.#locks.add(journal);
    return {
      release: async () => {
        this.#locks.delete(journal);
      },
    };
  }

  /** The machine starts again. `null`: only the process was killed, the system's cache lives. */
  restart(fate: Fate | null): void {
    this.#isStopped = false;
    this.writeFault = null;
    this.stopAfter = -1;
    this.operations = 0;
    this.#locks.clear();
    this.life += 1;
    if (fate === null) return;
    const changes = this.#pendingNames.splice(0);
    // In order, as with the journal of ext4, or each by itself, which is all that POSIX says.
    if (fate.pick(2) === 0) changes.length = fate.pick(changes.length + 1);
    else changes.splice(0, changes.length, ...changes.filter(() => fate.pick(2) === 1));
    for (const change of changes) change();
    this.#names = new Map(this.#durableNames);
    for (const inode of new Set(this.#names.values())) settle(inode, fate);
  }

  read(path: string): Buffer | null {
    return this.#names.get(path)?.cached ?? null;
  }

  put(path: string, bytes: Uint8Array): void {
    const inode = { cached: Buffer.from(bytes), durable: Buffer.from(bytes), pending: [] };
    this.#names.set(path, inode);
    this.#durableNames.set(path, inode);
  }

  remove(path: string): void {
    this.#names.delete(path);
    this.#durableNames.delete(path);
  }

  paths(): string[] {
    return [...this.#names.keys()];
  }

  alive(): void {
    if (this.#isStopped) throw new Crash("the machine has stopped");
  }

  step(operation: string, path: string): void {
    this.alive();
    this.fault?.(operation, path);
    if (this.stopAfter >= 0 && this.operations >= this.stopAfter) {
      this.#isStopped = true;
      throw new Crash(`stopped before ${operation} ${path}`);
    }
    this.operations += 1;
  }
}

class CrashHandle implements FileHandle {
  readonly #disk: CrashFileSystem;
  readonly #inode: Inode;
  readonly #path: string;
  readonly #life: number;

  constructor(disk: CrashFileSystem, inode: Inode, path: string) {
    this.#disk = disk;
    this.#inode = inode;
    this.#path = path;
    this.#life = disk.life;
  }

  async size(): Promise<number> {
    return this.#inode.cached.length;
  }

  async read(position: number, length: number): Promise<Uint8Array> {
    this.#alive();
    return Buffer.from(this.#inode.cached.subarray(position, position + length));
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    this.#step("write");
    this.#disk.writeFault?.(this.#path, position + bytes.length);
    this.#apply({ kind: "write", at: position, bytes: Buffer.from(bytes) });
  }

  async sync(): Promise<void> {
    this.#step("sync");
    this.#inode.durable = Buffer.from(this.#inode.cached);
    this.#inode.pending = [];
  }

  async truncate(size: number): Promise<void> {
    this.#step("truncate");
    this.#apply({ kind: "size", size });
  }

  async close(): Promise<void> {}

  #alive(): void {
    if (this.#life !== this.#disk.life) throw new Crash("the process is gone");
    this.#disk.alive();
  }

  #step(operation: string): void {
    this.#alive();
    this.#disk.step(operation, this.#path);
  }

  #apply(change: Change): void {
    this.#inode.cached = changed(this.#inode.cached, change);
    this.#inode.pending.push(change);
  }
}

/** Each unsynced sector of each write is there or not; sizes likewise. */
function settle(inode: Inode, fate: Fate): void {
  let content = inode.durable;
  for (const change of inode.pending) {
    const mode = change.kind === "size" ? 2 : fate.pick(4);
    for (const part of parts(change)) {
      const isThere = mode === 0 ? false : mode === 1 ? true : fate.pick(2) === 1;
      if (isThere) content = changed(content, part);
    }
  }
  inode.cached = Buffer.from(content);
  inode.durable = Buffer.from(content);
  inode.pending = [];
}

export function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** The disk as one process has it: whatever it still asks for after the restart is not done. */
export function ofThisLife(disk: CrashFileSystem): FileSystem {
  const { life } = disk;
  const alive = async <T>(work: () => Promise<T>): Promise<T> => {
    if (disk.life !== life) throw new Crash("of a process that is gone");
    return await work();
  };
  return {
    open: (path, mode) => alive(() => disk.open(path, mode)),
    rename: (from, to) => alive(() => disk.rename(from, to)),
    unlink: (path) => alive(() => disk.unlink(path)),
    list: (directory) => alive(() => disk.list(directory)),
    makeDirectory: (path) => alive(() => disk.makeDirectory(path)),
    syncDirectory: (path) => alive(() => disk.syncDirectory(path)),
    lock: (journal) => alive(() => disk.lock(journal)),
  };
}

export function isCrash(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof Crash) return true;
  return false;
}
