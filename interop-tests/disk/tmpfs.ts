import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../support/eventually.js";
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

  /**
   * As fillTo, for a disk on which hardly anything is written: what a store that was under way gives back at
   * its end is taken as well, since a page that is free again would be enough for the next one.
   */
  async fillToPage(freeKib: number): Promise<void> {
    this.fillTo(freeKib);
    let unchanged = 0;
    await eventually(
      `no more than ${freeKib} KiB are free`,
      () => {
        const isAsWanted = this.#topUp(freeKib) && !this.#isStoring();
        unchanged = isAsWanted ? unchanged + 1 : 0;
        return unchanged > 2;
      },
      { everyMs: 20 },
    );
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

  /** @returns whether there was nothing to do. */
  #topUp(freeKib: number): boolean {
    const { freeKib: free } = this;
    if (free > freeKib) {
      try {
        appendFileSync(this.#filler, Buffer.alloc((free - freeKib) * kib, 0x66));
      } catch (error) {
        if (errorCode(error) !== "ENOSPC") throw error;
      }
    } else if (free < freeKib) {
      const { size } = statSync(this.#filler);
      truncateSync(this.#filler, Math.max(0, size - (freeKib - free) * kib));
    }
    return free === freeKib;
  }

  /** A file that holds something is about to take another one's place, whose room is free then. */
  #isStoring(): boolean {
    const temporaries = readdirSync(this.folder).filter((name) => name.includes("tmp"));
    return temporaries.some((name) => {
      const found = statSync(join(this.folder, name), { throwIfNoEntry: false });
      return found !== undefined && found.size > 0;
    });
  }

  close(): void {
    // Lazily: a member that is just ending may have a file open.
    execFileSync("umount", ["-l", this.folder]);
    rmdirSync(this.folder);
  }
}
