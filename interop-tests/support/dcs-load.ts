import { setTimeout as sleep } from "node:timers/promises";
import type { VanillaNode } from "./vanilla-client.js";

/** Between two writes: more than any Patroni makes, and little work for a busy machine. */
const pauseMs = 100;
const createdSec = 1_700_000_000.5;

/** A time in which nothing was acknowledged, from the last acknowledged write to the next. */
export interface Gap {
  readonly ms: number;
  readonly failed: number;
}

/** Writes key after key, one at a time, and keeps account of what was not acknowledged. */
export class DcsLoad {
  readonly #node: VanillaNode;
  readonly #prefix: string;
  readonly #done: Promise<void>;
  #isStopped = false;
  readonly acked: string[] = [];
  /** Only those in which a write failed. */
  readonly gaps: Gap[] = [];

  constructor(node: VanillaNode, prefix: string) {
    this.#node = node;
    this.#prefix = prefix;
    this.#done = this.#run();
  }

  /** Ends with an acknowledged write. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    let [last, failed] = [performance.now(), 0];
    for (let number = 0; !this.#isStopped || failed > 0; number++) {
      const key = `${this.#prefix}${number}`;
      const record = { value: key, created: createdSec, updated: createdSec + number };
      const answer = await this.#node.raw("_set", [key, record]).catch(() => null);
      const now = performance.now();
      if (answer?.error === 0) {
        this.acked.push(key);
        if (failed > 0) this.gaps.push({ ms: now - last, failed });
        [last, failed] = [now, 0];
      } else {
        if (!this.#node.child.isRunning) return;
        failed += 1;
      }
      await sleep(pauseMs);
    }
  }
}
