import type { FileHandle, FileLock, FileSystem } from "../../src/storage/file-system.js";
import type { Chance } from "./chance.js";
import { DiskImage, type Inode, systemError } from "./disk-image.js";
import type { Life } from "./machine.js";
import type { Timeline } from "./timeline.js";

/** How a disk behaves at the moment. */
export interface DiskFaults {
  /** Nothing grows any more. */
  isFull: boolean;
  /** How many of the next syncs fail, writes fail, reads fail. */
  failSyncs: number;
  failWrites: number;
  failReads: number;
  /** Times that each operation takes longer than usual. */
  slowness: number;
  /** A dump that is being written is not on the disk before this ends. */
  holdsDumps: boolean;
}

/** A member's disk: each operation takes its time, and what was not synced may be lost. */
export class SimDisk {
  readonly image = new DiskImage();
  readonly faults: DiskFaults = {
    isFull: false,
    failSyncs: 0,
    failWrites: 0,
    failReads: 0,
    slowness: 1,
    holdsDumps: false,
  };
  /** Called once, when a file has just been given its new name. */
  afterRename: (() => void) | null = null;
  /** An error was given to the life that runs: it may end because of it. */
  hasFailed = false;
  readonly #timeline: Timeline;
  readonly #chance: Chance;
  readonly #underWay = new Set<Operation>();

  constructor(timeline: Timeline, chance: Chance) {
    this.#timeline = timeline;
    this.#chance = chance;
  }

  /** The process has ended: what it had asked for has been done, or not. */
  endLife(): void {
    for (const operation of this.#underWay) {
      operation.cancel();
      if (this.#chance.is(0.5)) operation.carryOut();
    }
    this.#underWay.clear();
    this.hasFailed = false;
  }

  losePower(): void {
    this.endLife();
    this.image.losePower(this.#chance);
  }

  /** The disk as a process sees it. */
  mount(life: Life): FileSystem {
    const run = <T>(spanMs: number, work: () => T) => this.#run(life, spanMs, work);
    const { image } = this;
    return {
      open: (path, mode) =>
        run(0.05, () => {
          if (mode === "create") {
            // A directory entry needs room as well, but that is found by chance only.
            if (this.faults.isFull && this.#chance.is(0.5)) throw systemError("ENOSPC");
            return new SimHandle(this, life, image.create(path), path.includes(".dump."));
          }
          const inode = image.find(path);
          if (inode === undefined) throw systemError("ENOENT");
          return new SimHandle(this, life, inode);
        }),
      rename: (from, to) =>
        run(0.1, () => {
          image.rename(from, to);
          const then = this.afterRename;
          this.afterRename = null;
          then?.();
        }),
      unlink: (path) => run(0.1, () => image.unlink(path)),
      list: (directory) =>
        run(0.05, () => image.names().map((path) => path.slice(directory.length + 1))),
      makeDirectory: () => run(0.05, () => {}),
      syncDirectory: () =>
        run(1, () => {
          this.failSync();
          image.sync();
        }),
      lock: async (): Promise<FileLock> => ({ release: async () => {} }),
    };
  }

  perform<T>(life: Life, spanMs: number, work: () => T): Promise<T> {
    return this.#run(life, spanMs, work);
  }

  failSync(inode?: Inode): void {
    if (this.faults.failSyncs <= 0) return;
    this.faults.failSyncs -= 1;
    this.hasFailed = true;
    inode?.failSync(this.#chance);
    throw systemError("EIO");
  }

  failRead(): void {
    if (this.faults.failReads <= 0) return;
    this.faults.failReads -= 1;
    this.hasFailed = true;
    throw systemError("EIO");
  }

  /** A write that fails may have done a part of its work. */
  write(inode: Inode, bytes: Uint8Array, at: number): void {
    const part = bytes.subarray(0, this.#chance.below(bytes.length + 1));
    if (this.faults.failWrites > 0) {
      this.faults.failWrites -= 1;
      this.hasFailed = true;
      inode.write(part, at);
      throw systemError("EIO");
    }
    if (this.faults.isFull && at + bytes.length > inode.size) {
      if (at + part.length <= inode.size) inode.write(part, at);
      throw systemError("ENOSPC");
    }
    inode.write(bytes, at);
  }

  #run<T>(life: Life, spanMs: number, work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (life.isOver) return;
      const spread = this.#chance.next();
      const takes = spanMs * this.faults.slowness * (0.3 + 2 * spread * spread);
      let result: { value: T } | { error: unknown } | null = null;
      const operation: Operation = {
        cancel: () => {},
        carryOut: () => {
          try {
            result = { value: work() };
          } catch (error) {
            result = { error };
          }
        },
      };
      this.#underWay.add(operation);
      operation.cancel = this.#timeline.after(takes, () => {
        this.#underWay.delete(operation);
        operation.carryOut();
        const outcome = result;
        life.enter(() => {
          if (outcome === null) return;
          if ("error" in outcome) reject(outcome.error);
          else resolve(outcome.value);
        });
      });
    });
  }
}

interface Operation {
  cancel: () => void;
  carryOut(): void;
}

class SimHandle implements FileHandle {
  readonly #disk: SimDisk;
  readonly #life: Life;
  readonly #inode: Inode;
  readonly #isNewDump: boolean;

  constructor(disk: SimDisk, life: Life, inode: Inode, isNewDump = false) {
    this.#disk = disk;
    this.#isNewDump = isNewDump;
    this.#life = life;
    this.#inode = inode;
  }

  size(): Promise<number> {
    return this.#disk.perform(this.#life, 0.02, () => this.#inode.size);
  }

  read(position: number, length: number): Promise<Uint8Array> {
    return this.#disk.perform(this.#life, 0.1, () => {
      this.#disk.failRead();
      return this.#inode.read(position, length);
    });
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    return this.#disk.perform(this.#life, 0.1, () =>
      this.#disk.write(this.#inode, bytes, position),
    );
  }

  sync(): Promise<void> {
    if (this.#isNewDump && this.#disk.faults.holdsDumps) {
      return this.#disk.perform(this.#life, 10, () => {}).then(() => this.sync());
    }
    return this.#disk.perform(this.#life, 2, () => {
      this.#disk.failSync(this.#inode);
      this.#inode.sync();
    });
  }

  truncate(size: number): Promise<void> {
    return this.#disk.perform(this.#life, 0.1, () => this.#inode.truncate(size));
  }

  close(): Promise<void> {
    return this.#disk.perform(this.#life, 0.02, () => {});
  }
}
