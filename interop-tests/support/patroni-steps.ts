import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "./eventually.js";
import type { KvRecord } from "./kv-data.js";
import { isRecord } from "./line-channel.js";
import { type PatroniNode, scope, ttlSec } from "./patroni-node.js";
import type { PatroniStage } from "./patroni-stage.js";
import type { QuorateMember } from "./quorate-member.js";

/** A bootstrap, a base backup or a rewind on a machine with other work; a lease that ends. */
const stepMsMax = 120_000;
const slow = { timeoutMs: stepMsMax, everyMs: 100 };

export const keyPrefix = `/service/${scope}/`;

/** Starts the first node, which makes the database, then the second, which copies it. */
export async function bootstrap(
  stage: PatroniStage,
  first: PatroniNode,
  second: PatroniNode,
): Promise<void> {
  first.start();
  await untilPrimary(first);
  stage.note(`bootstrap: ${first.name} is the primary`);
  await first.sql("create table kept (step text primary key)");
  second.start();
  await untilStreaming(first, second);
  stage.note(`${second.name} is a replica that streams from ${first.name}`);
}

/** Patroni and PostgreSQL both say so. */
export async function untilPrimary(node: PatroniNode): Promise<void> {
  await eventually(
    `${node.name} is the primary`,
    async () => {
      const { role, state } = await node.rest();
      if (role !== "primary" || state !== "running") throw new Error(`${role} ${state}`);
      return (await node.sql("select pg_is_in_recovery()")) === "f";
    },
    slow,
  );
}

export async function untilStreaming(primary: PatroniNode, replica: PatroniNode): Promise<void> {
  const query = "select application_name || ' ' || state from pg_stat_replication";
  await eventually(
    `${replica.name} streams from ${primary.name}`,
    async () => {
      const seen = await primary.sql(query);
      if (!seen.split("\n").includes(`${replica.name} streaming`)) throw new Error(seen);
      return true;
    },
    slow,
  );
}

/** Waits until `patronictl list` shows just these two, healthy, on one timeline. */
export async function untilListed(
  stage: PatroniStage,
  primary: PatroniNode,
  replica: PatroniNode,
): Promise<void> {
  const expected = `${primary.name} Leader running, ${replica.name} Replica streaming`;
  const timeline = await eventually(
    `patronictl list: ${expected}`,
    async () => {
      const members = [...(await stage.list(primary))].sort((a) => (a.Role === "Leader" ? -1 : 1));
      const seen = members.map((each) => `${each.Member} ${each.Role} ${each.State}`).join(", ");
      const timelines = new Set(members.map((each) => each.TL));
      if (seen !== expected || timelines.size !== 1) throw new Error(JSON.stringify(members));
      return members[0]?.TL;
    },
    slow,
  );
  stage.note(`patronictl list: ${expected}, timeline ${timeline}`);
}

/** Writes a row on the primary, and waits until the replica has it. */
export async function keepRow(
  primary: PatroniNode,
  replica: PatroniNode,
  step: string,
): Promise<void> {
  await primary.sql(`insert into kept values ('${step}')`);
  await untilRows(replica, [step]);
}

/** Waits until a node shows all these rows. */
export async function untilRows(node: PatroniNode, steps: readonly string[]): Promise<void> {
  await eventually(
    `rows ${steps.join(", ")} on ${node.name}`,
    async () => {
      const rows = (await node.sql("select step from kept")).split("\n");
      return steps.every((step) => rows.includes(step));
    },
    slow,
  );
}

/** `patronictl switchover` from one to the other, until both are in their new roles. */
export async function switchover(
  stage: PatroniStage,
  from: PatroniNode,
  to: PatroniNode,
): Promise<void> {
  const started = Date.now();
  const choice = ["--leader", from.name, "--candidate", to.name, "--force"];
  const said = await stage.patronictl(from, ["switchover", scope, ...choice]);
  assert.match(said, /Successfully switched over/);
  await untilPrimary(to);
  const promoted = Date.now() - started;
  await untilStreaming(to, from);
  stage.note(
    `switchover ${from.name} → ${to.name}: primary after ${seconds(promoted)}, ` +
      `${from.name} streams after ${seconds(Date.now() - started)}`,
  );
}

/** SIGKILL for the primary and all its processes, until the other one is the primary. */
export async function failover(
  stage: PatroniStage,
  primary: PatroniNode,
  replica: PatroniNode,
): Promise<void> {
  const started = Date.now();
  await primary.kill();
  await untilPrimary(replica);
  stage.note(
    `SIGKILL of ${primary.name} with its postgres: ${replica.name} is the primary ` +
      `after ${seconds(Date.now() - started)} (ttl ${ttlSec} s)`,
  );
}

/** Starts a killed node again and waits until it streams; notes how Patroni repaired it. */
export async function rejoin(
  stage: PatroniStage,
  primary: PatroniNode,
  killed: PatroniNode,
): Promise<void> {
  const started = Date.now();
  killed.start();
  await untilStreaming(primary, killed);
  const log = killed.log();
  const ways = [
    [/running pg_rewind/i, "pg_rewind"],
    [/replica has been created using|bootstrap from leader/i, "a new base backup"],
  ] as const;
  const found = ways.filter(([pattern]) => pattern.test(log)).map(([, way]) => way);
  const how = found.length > 0 ? found.join(", ") : "its own files";
  stage.note(
    `${killed.name} is back as a replica after ${seconds(Date.now() - started)} (with ${how})`,
  );
}

/** What Patroni keeps in the DCS, as a Quorate member holds it in its own applied state. */
export async function checkKeys(
  stage: PatroniStage,
  member: QuorateMember,
  primary: PatroniNode,
  replica: PatroniNode,
): Promise<void> {
  const sysid = await primary.sql("select system_identifier from pg_control_system()");
  const timeline = Number(await primary.sql("select timeline_id from pg_control_checkpoint()"));
  await eventually(
    `Patroni's keys in ${member.name}`,
    async () => {
      const { entries } = await member.kv(keyPrefix);
      const text = (key: string) => textOf(entries[keyPrefix + key], key);
      const json = (key: string) => JSON.parse(text(key)) as unknown;
      assert.equal(text("leader"), primary.name);
      const lease = entries[`${keyPrefix}leader`];
      assert.ok(lease?.expire !== undefined);
      assert.ok(Math.abs(lease.expire - lease.updated - ttlSec) < 0.001, "the lease lasts a ttl");
      assertFields(json(`members/${primary.name}`), { role: "primary", state: "running" });
      const streaming = { role: "replica", state: "running", replication_state: "streaming" };
      assertFields(json(`members/${replica.name}`), streaming);
      assertFields(json("config"), { ttl: ttlSec });
      assert.equal(text("initialize"), sysid);
      const status = json("status");
      assert.ok(isRecord(status) && typeof status["optime"] === "number" && status["optime"] > 0);
      const history = timeline > 1 ? json("history") : [];
      assert.ok(Array.isArray(history) && history.length === timeline - 1, `timeline ${timeline}`);
      return true;
    },
    slow,
  );
  stage.note(`${member.name} holds Patroni's keys, timeline ${timeline}`);
}

/** Inserts row after row and counts those that fail, until it is stopped. */
export class RowWriter {
  readonly #node: PatroniNode;
  readonly #name: string;
  readonly #done: Promise<void>;
  #stopped = false;
  written = 0;
  readonly failures: string[] = [];

  constructor(node: PatroniNode, name: string) {
    this.#node = node;
    this.#name = name;
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    for (let n = 0; !this.#stopped; n++) {
      try {
        await this.#node.sql(`insert into kept values ('${this.#name} ${n}')`);
        this.written += 1;
      } catch (error) {
        this.failures.push(error instanceof Error ? error.message : String(error));
      }
      await sleep(100);
    }
  }
}

export interface RaftFailover {
  readonly stage: PatroniStage;
  readonly primary: PatroniNode;
  /** Kills the raft leader. */
  readonly kill: () => Promise<unknown>;
  /** Patroni's leader key as a survivor has it. */
  readonly lease: () => Promise<KvRecord | undefined>;
  readonly what: string;
}

/** Renewals of the lease under the new raft leader after which the failover counts as over. */
const renewalsMin = 3;

/**
 * Kills the raft leader under a running primary: the lease has to be renewed under the next one,
 * and PostgreSQL must not notice: the same postmaster, the same timeline, each row written.
 */
export async function raftFailover(options: RaftFailover): Promise<void> {
  const { stage, primary } = options;
  const identity = "select pg_postmaster_start_time(), pg_is_in_recovery(), timeline_id";
  const query = `${identity} from pg_control_checkpoint()`;
  const before = await primary.sql(query);
  const logged = primary.log().length;
  const writer = new RowWriter(primary, options.what);
  const started = Date.now();
  let first = 0;
  try {
    await options.kill();
    const killed = Date.now();
    let [last, renewals] = [killed / 1000, 0];
    await eventually(
      `the primary's lease is renewed ${renewalsMin} times`,
      async () => {
        const lease = await options.lease();
        if (lease === undefined || lease.updated <= last) return false;
        assert.equal(lease.value, primary.name);
        if (renewals === 0) first = Date.now() - started;
        [last, renewals] = [lease.updated, renewals + 1];
        return renewals >= renewalsMin;
      },
      slow,
    );
  } finally {
    await writer.stop();
  }
  assert.equal(await primary.sql(query), before, "the same postmaster, never demoted");
  assert.deepEqual(writer.failures, []);
  assert.doesNotMatch(primary.log().slice(logged), /demot/i);
  stage.note(
    `${options.what}: ${primary.name} stays primary, its lease is renewed after ` +
      `${seconds(first)}, ${writer.written} of ${writer.written} rows written meanwhile`,
  );
}

function textOf(record: KvRecord | undefined, key: string): string {
  if (typeof record?.value !== "string") throw new Error(`no text under ${key}`);
  return record.value;
}

function assertFields(value: unknown, fields: Readonly<Record<string, unknown>>): void {
  assert.ok(isRecord(value));
  for (const [name, field] of Object.entries(fields)) assert.equal(value[name], field, name);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
