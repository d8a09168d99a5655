import { execFileSync } from "node:child_process";
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Scene } from "./scene.js";

/** A wall clock for some processes that can be wrong, and jump. Their monotonic clock is left alone. */
export class WallClock {
  readonly env: Readonly<Record<string, string>>;
  readonly #file: string;

  /** @throws Error that says what to install where libfaketime is missing. */
  constructor(scene: Scene, name: string, aheadSec = 0) {
    this.#file = join(scene.folder, `clock-${name}`);
    this.set(aheadSec);
    this.env = {
      LD_PRELOAD: library(),
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      FAKETIME_DONT_RESET: "1",
    };
  }

  /** From now on so many seconds ahead of the machine's clock; behind where negative. */
  set(aheadSec: number): void {
    const text = `${aheadSec < 0 ? "-" : "+"}${Math.abs(aheadSec)}`;
    // In one step: a process may read it at any moment.
    writeFileSync(`${this.#file}.new`, text);
    renameSync(`${this.#file}.new`, this.#file);
  }
}

let found: string | null = null;

function library(): string {
  found ??= look();
  return found;
}

function look(): string {
  const machine = execFileSync("uname", ["-m"], { encoding: "utf8" }).trim();
  const folders = [
    `/usr/lib/${machine}-linux-gnu/faketime`,
    "/usr/lib64/faketime",
    "/usr/lib/faketime",
  ];
  for (const folder of folders) {
    const path = join(folder, "libfaketimeMT.so.1");
    if (existsSync(path)) return path;
  }
  throw new Error("libfaketime is missing; on Debian and Ubuntu: apt-get install faketime");
}
