import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

const mib = 1024 * 1024;

/** A file system of its own for one member, ext4 on a file, that the kernel can be made to give up. */
export class LoopDisk {
  readonly folder: string;
  readonly #image: string;
  readonly #base: string;

  /** @throws Error where this user may not mount, or e2fsprogs are missing. */
  constructor(sizeMib: number) {
    this.#base = mkdtempSync(join(tmpdir(), "quorate-loop-disk-"));
    this.#image = join(this.#base, "image");
    this.folder = join(this.#base, "mounted");
    writeFileSync(this.#image, "");
    truncateSync(this.#image, sizeMib * mib);
    execFileSync("mkdir", [this.folder]);
    try {
      execFileSync("mke2fs", ["-q", "-t", "ext4", this.#image]);
      this.#mount();
    } catch (cause) {
      rmSync(this.#base, { recursive: true });
      throw new Error("this test mounts a file as ext4 (e2fsprogs, loop devices): run it as root", {
        cause,
      });
    }
  }

  /** What an administrator tries. @returns what mount says of it; null: it is done. */
  remount(options: string): string | null {
    try {
      execFileSync("mount", ["-o", `remount,${options}`, this.folder], { stdio: "pipe" });
      return null;
    } catch (error) {
      return String(error);
    }
  }

  /** What the kernel does when it finds the file system damaged: read-only, whoever writes. */
  giveUp(): void {
    writeFileSync(`/sys/fs/ext4/${this.#device()}/trigger_fs_error`, "1");
  }

  /** A restart of the machine, and a check of the file system. */
  repair(): void {
    execFileSync("umount", [this.folder]);
    try {
      execFileSync("e2fsck", ["-fy", this.#image], { stdio: "pipe" });
    } catch (error) {
      // 1: it has found errors, and corrected them.
      if (!(error instanceof Error && "status" in error && error.status === 1)) throw error;
    }
    this.#mount();
  }

  close(): void {
    execFileSync("umount", ["-l", this.folder]);
    rmSync(this.#base, { recursive: true });
  }

  #mount(): void {
    execFileSync("mount", ["-o", "loop,errors=remount-ro", this.#image, this.folder], {
      stdio: "pipe",
    });
  }

  #device(): string {
    const line = readFileSync("/proc/mounts", "utf8")
      .split("\n")
      .find((mount) => mount.split(" ")[1] === this.folder);
    if (line === undefined) throw new Error(`${this.folder} is not mounted`);
    return basename(line.split(" ")[0] ?? "");
  }
}
