import { setTimeout as sleep } from "node:timers/promises";
import { differences } from "../support/compare.js";
import { eventually } from "../support/eventually.js";
import type { KvData } from "../support/kv-data.js";
import type { VanillaNode } from "../support/vanilla-client.js";
import type { Player } from "./stage.js";

const attemptMs = 1_500;
const retryMs = 50;
/** A write that nobody has acknowledged by then was not to be had. */
const writeMsMax = 15_000;
const levelMsMax = 25_000;
/** Writes at once that move a log on. */
const nudgeWrites = 10;

export interface Comparison {
  /** Lines about keys whose records differ between two members, or members that stay behind. */
  readonly divergence: readonly string[];
  /** Keys whose acknowledged value is not on every member. */
  readonly lost: readonly string[];
}

/** The writes of a run that a client was told of as done. */
export class Ledger {
  readonly acked: Map<string, string>;
  #number = 0;

  constructor(acked: ReadonlyMap<string, string> = new Map()) {
    this.acked = new Map(acked);
  }

  /** One attempt. Resolves to whether the client's own copy of the log has applied it. */
  async tryWrite(client: VanillaNode, key: string): Promise<boolean> {
    const value = `value of ${key}`;
    const nowSec = Date.now() / 1000;
    const record = { value, created: nowSec, updated: nowSec };
    const isDone = await client
      .raw("_set", [key, record], {}, attemptMs)
      .then(({ error }) => error === 0)
      .catch(() => false);
    if (isDone) this.acked.set(key, value);
    return isDone;
  }

  /** Sets some new keys at once, each until it is acknowledged. */
  async write(client: VanillaNode, prefix: string, count: number): Promise<void> {
    await Promise.all(
      this.#keys(prefix, count).map((key) =>
        eventually(`${key} acknowledged`, () => this.tryWrite(client, key), {
          ...{ timeoutMs: writeMsMax, everyMs: retryMs },
        }),
      ),
    );
  }

  /** Sets one key after the other, each until it is acknowledged, until the signal comes. */
  async keepWriting(client: VanillaNode, prefix: string, until: AbortSignal): Promise<void> {
    for (let n = 0; !until.aborted; n++) {
      const key = `/${prefix}/${n}`;
      while (!until.aborted && !(await this.tryWrite(client, key))) await sleep(retryMs);
    }
  }

  /**
   * Moves the log on until all have applied the same index (members whose committed entries were
   * taken away pass over as many), then compares every key and field, and looks for each
   * acknowledged write on each member.
   */
  async compare(players: readonly Player[], client: VanillaNode): Promise<Comparison> {
    const all = await this.#levelled(players, client);
    const [first] = all;
    const divergence = all.flatMap((data, n) =>
      first === undefined ? [] : named(players, n, differences(first, data)),
    );
    const lost = [...this.acked].flatMap(([key, value]) =>
      all.every(({ entries }) => entries[key]?.value === value) ? [] : [key],
    );
    return { divergence, lost };
  }

  async #levelled(players: readonly Player[], client: VanillaNode): Promise<readonly KvData[]> {
    return eventually(
      "all members have applied the same index",
      async () => {
        await Promise.all(this.#keys("level", nudgeWrites).map((k) => this.tryWrite(client, k)));
        await sleep(200);
        const all = await Promise.all(players.map((player) => player.data()));
        const indexes = all.map(({ appliedIndex }) => appliedIndex);
        if (new Set(indexes).size > 1) throw new Error(`applied: ${indexes.join(", ")}`);
        return all;
      },
      { timeoutMs: levelMsMax },
    );
  }

  #keys(prefix: string, count: number): readonly string[] {
    const from = this.#number;
    this.#number += count;
    return Array.from({ length: count }, (_, n) => `/${prefix}/${from + n}`);
  }
}

function named(players: readonly Player[], number: number, lines: readonly string[]): string[] {
  return lines.map((line) => `${players[0]?.name} and ${players[number]?.name}: ${line}`);
}
