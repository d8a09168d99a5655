import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ObserverClient } from "../src/client/observer-client.js";
import type { KvChange } from "../src/client/watch.js";
import type { WriteFailure } from "../src/node/write-outcome.js";
import { ClientNode } from "./support/client-node.js";
import { startCluster } from "./support/cluster.js";
import { assertEqualData } from "./support/compare.js";
import { eventually } from "./support/eventually.js";
import type { KvData } from "./support/kv-data.js";
import { openScene } from "./support/scene.js";
import type { Kind } from "./support/seats.js";

/** What our own client says of each write while leaders are killed, held against what there is. */

const writersAtOnce = 64;
const writesBetween = 300;
const killsMax = 3;
/** Longer than an election or two; what is open then is given up as unknown. */
const writeMsMax = 8_000;

interface Attempt {
  readonly key: string;
  readonly index: number;
}

/** Every attempt has a key of its own, so that the data tells what became of it. */
class Attempts {
  readonly done: Attempt[] = [];
  readonly failed: (WriteFailure & { readonly key: string })[] = [];
  readonly #client: ObserverClient;
  readonly #writers: Promise<void>[];
  #number = 0;
  #isStopped = false;

  constructor(client: ObserverClient) {
    this.#client = client;
    this.#writers = Array.from({ length: writersAtOnce }, () => this.#write());
  }

  async more(count: number): Promise<void> {
    const wanted = this.done.length + count;
    await eventually(`${wanted} writes`, () => this.done.length >= wanted, { timeoutMs: 60_000 });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#writers);
  }

  async #write(): Promise<void> {
    while (!this.#isStopped) {
      this.#number += 1;
      const key = `/try/${this.#number}`;
      const outcome = await this.#client.set(key, key, { timeoutMs: writeMsMax });
      if (outcome.ok) this.done.push({ key, index: outcome.index });
      else {
        this.failed.push({ ...outcome, key });
        await sleep(20);
      }
    }
  }
}

for (const [version, kind] of [
  ["0.3.8", "vanilla"],
  ["0.3.15", "vanilla"],
  ["0.3.17", "vanilla"],
  ["0.3.17", "quorate"],
] as const) {
  test(`leaders killed under the writes of an observer client: ${kind} ${version}`, {
    timeout: 240_000,
  }, async (t) => {
    const scene = openScene(t);
    const kinds: readonly Kind[] = [kind, kind, kind];
    const cluster = await startCluster(scene, { version }, kinds);
    const client = await ObserverClient.connect({ addresses: cluster.addresses });
    t.after(() => client.close());
    const changes: KvChange[] = [];
    const watching = (async () => {
      for await (const change of client.watch("/try/")) changes.push(change);
    })();
    const attempts = new Attempts(client);
    for (let kills = 0; kills < killsMax; kills += 1) {
      await attempts.more(writesBetween);
      const leader = await cluster.oneLeader();
      await leader.stop("SIGKILL");
      await attempts.more(writesBetween);
      await cluster.restart(leader);
      // One at a time: members that forget their terms together lose writes without any client.
      await cluster.oneLeader();
    }
    await attempts.stop();
    const data = await assertEqualData([...cluster.seats, new ClientNode(client)], {
      timeoutMs: 60_000,
    });
    await client.close();
    await watching;
    judge(t, attempts, data);
    toldOnceEach(changes, data);
  });
}

function judge(t: TestContext, { done, failed }: Attempts, { entries }: KvData): void {
  const lost = done.filter(({ key, index }) => entries[key]?.index !== index);
  assert.deepEqual(lost, [], "acknowledged, and not there");
  const undone = failed.filter(({ mayBeDone }) => !mayBeDone);
  const wrong = undone.filter(({ key }) => entries[key] !== undefined);
  assert.deepEqual(wrong, [], "said to be not done, and there");
  const counts: Record<string, number> = {};
  for (const { reason } of failed) counts[reason] = (counts[reason] ?? 0) + 1;
  const unknown = failed.filter(({ mayBeDone }) => mayBeDone);
  const there = unknown.filter(({ key }) => entries[key] !== undefined).length;
  t.diagnostic(
    `${done.length} done, ${undone.length} not done, ${unknown.length} unknown of which ${there} ` +
      `were done; ${JSON.stringify(counts)}`,
  );
  assert.ok(unknown.length > 0, "a leader was killed under writes");
}

/** One change a key and no gap: the links were lost, the place in the log was not. */
function toldOnceEach(changes: readonly KvChange[], { entries }: KvData): void {
  const held = Object.keys(entries).length;
  assert.equal(changes.length, held);
  let index = 0;
  for (const change of changes) {
    assert.ok(change.index > index, `${change.key}: ${change.index} after ${index}`);
    assert.equal(change.index, entries[change.key]?.index);
    assert.equal(change.afterGap, false);
    index = change.index;
  }
}
