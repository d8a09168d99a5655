import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { eventually } from "../support/eventually.js";

const mib = 1024 * 1024;

/** A file system of its own for one member, ext4 on a file, that the kernel can be made to give up. */
export class LoopDisk {
  readonly folder: string;
  readonly #base: string;
  /** Such as "/dev/loop0": ours from the first mount to the end, so that no mount is given another. */
  readonly #device: string;
  #isMounted = false;

  /** @throws Error where this user may not mount, or e2fsprogs are missing. */
  constructor(sizeMib: number) {
    this.#base = mkdtempSync(join(tmpdir(), "quorate-loop-disk-"));
    this.folder = join(this.#base, "mounted");
    const image = join(this.#base, "image");
    writeFileSync(image, "");
    truncateSync(image, sizeMib * mib);
    mkdirSync(this.folder);
    try {
      execFileSync("mke2fs", ["-q", "-t", "ext4", image]);
      const shown = execFileSync("losetup", ["--find", "--show", image], { encoding: "utf8" });
      this.#device = shown.trim();
    } catch (cause) {
      rmSync(this.#base, { recursive: true });
      throw new Error("this test mounts a file as ext4 (e2fsprogs, loop devices): run it as root", {
        cause,
      });
    }
    try {
      this.#mount();
    } catch (error) {
      this.#remove();
      throw error;
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
    writeFileSync(`/sys/fs/ext4/${basename(this.#device)}/trigger_fs_error`, "1");
  }

  /** A restart of the machine, and a check of the file system. */
  async repair(): Promise<void> {
    this.#unmount();
    await eventually("the file system is checked", () => this.#isChecked(), { timeoutMs: 60_000 });
    this.#mount();
  }

  close(): void {
    this.#unmount();
    this.#remove();
  }

  #unmount(): void {
    if (!this.#isMounted) return;
    execFileSync("umount", ["-l", this.folder]);
    this.#isMounted = false;
  }

  /** @throws Error while somebody has it mounted: a process that has just ended, or one in a mount namespace of its own. */
  #isChecked(): boolean {
    try {
      execFileSync("e2fsck", ["-fy", this.#device], { stdio: "pipe" });
    } catch (error) {
      // 1: it has found errors, and corrected them.
      if (!(error instanceof Error && "status" in error && error.status === 1)) throw error;
    }
    return true;
  }

  #remove(): void {
    // The kernel does so as soon as nobody has a file of it open.
    execFileSync("losetup", ["--detach", this.#device]);
    rmSync(this.#base, { recursive: true });
  }

  #mount(): void {
    execFileSync("mount", ["-o", "errors=remount-ro", this.#device, this.folder], {
      stdio: "pipe",
    });
    this.#isMounted = true;
    const mounted = readFileSync("/proc/mounts", "utf8")
      .split("\n")
      .find((mount) => mount.split(" ")[1] === this.folder);
    if (mounted?.split(" ")[3]?.split(",").includes("rw") !== true) {
      const kernel = execFileSync("dmesg", { encoding: "utf8" }).split("\n").slice(-20);
      throw new Error(`it is not mounted for writing: ${mounted}\n${kernel.join("\n")}`);
    }
  }
}
