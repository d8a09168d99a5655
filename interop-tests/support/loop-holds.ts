import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Scene } from "./scene.js";

/** One time that a member's loop was held. */
export interface LoopHold {
  /** By the clock on the wall: what other processes and the disk took is in it. */
  readonly heldMs: number;
  /** Of that, how long the member's main thread worked. */
  readonly workedMs: number;
}

/** How long a member's loop was held, as the member itself sees it: see loop-watch.ts. */
export class LoopHolds {
  readonly env: Readonly<Record<string, string>>;
  readonly #file: string;
  #read = 0;

  constructor(scene: Scene, name: string) {
    this.#file = join(scene.folder, `${name.replaceAll(/[^\w.-]/g, "_")}.holds`);
    const watch = new URL("./loop-watch.js", import.meta.url).href;
    this.env = { NODE_OPTIONS: `--import ${watch}`, QUORATE_LOOP_WATCH: this.#file };
  }

  /** What has come since the last call. */
  take(): readonly LoopHold[] {
    if (!existsSync(this.#file)) return [];
    const lines = readFileSync(this.#file, "utf8").split("\n").slice(0, -1);
    const fresh = lines.slice(this.#read);
    this.#read = lines.length;
    return fresh.map((line) => {
      const [heldMs = 0, workedMs = 0] = line.split(" ").map(Number);
      return { heldMs, workedMs };
    });
  }
}
