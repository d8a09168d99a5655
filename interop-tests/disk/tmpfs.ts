import { execFileSync } from "node:child_process";
import {
  mkdtempSync,
  rmdirSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorCode } from "../support/folder-lock.js";

const fillerName = "filler";
const kib = 1024;

/** A disk of its own for one member, small enough to be full. */
export class SmallDisk {
  readonly folder: string;
  readonly #filler: string;

  /** @throws Error where this user may not mount. */
  constructor(sizeKib: number) {
    // Not in the folder of a scene, which is removed while this is still mounted.
    const folder = mkdtempSync(join(tmpdir(), "quorate-small-disk-"));
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${sizeKib}k`, "quorate-test", folder]);
    } catch (cause) {
      throw new Error("this test mounts a tmpfs: run it as root, where mount is allowed", {
        cause,
      });
    }
    this.folder = folder;
    this.#filler = join(folder, fillerName);
  }

  get freeKib(): number {
    const { bavail, bsize } = statfsSync(this.folder);
    return (bavail * bsize) / kib;
  }

  /** Takes all room but so much. */
  fillTo(freeKib: number): void {
    this.release();
    const taken = Math.max(0, Math.floor(this.freeKib - freeKib)) * kib;
    try {
      writeFileSync(this.#filler, Buffer.alloc(taken, 0x66));
    } catch (error) {
      if (errorCode(error) !== "ENOSPC") throw error;
      // The member has written meanwhile: the disk is full, so much is given back.
      truncateSync(this.#filler, Math.max(0, statSync(this.#filler).size - freeKib * kib));
    }
  }

  release(): void {
    rmSync(this.#filler, { force: true });
  }

  /** No further file can be made, however much room there is. */
  takeNames(): void {
    const { files, ffree } = statfsSync(this.folder);
    this.remount(`nr_inodes=${files - ffree}`);
  }

  giveNames(): void {
    this.remount("nr_inodes=1000");
  }

  remount(options: string): void {
    execFileSync("mount", ["-o", `remount,${options}`, this.folder]);
  }

  close(): void {
    // Lazily: a member that is just ending may have a file open.
    execFileSync("umount", ["-l", this.folder]);
    rmdirSync(this.folder);
  }
}
