import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { stringify } from "yaml";
import { assertEqualData } from "./support/compare.js";
import { DcsLoad } from "./support/dcs-load.js";
import { eventually } from "./support/eventually.js";
import { followPlan, type Machine, mistakes } from "./support/followed-plan.js";
import { freeAddresses } from "./support/free-ports.js";
import { untilListening } from "./support/listening.js";
import type { PatroniNode } from "./support/patroni-node.js";
import { openPatroniStage, type PatroniStage } from "./support/patroni-stage.js";
import { bootstrap, checkKeys, RowWriter, untilListed } from "./support/patroni-steps.js";
import type { Child } from "./support/process.js";
import { projectRoot } from "./support/project.js";
import { quorateCli } from "./support/quorate-cli.js";
import { QuorateMember } from "./support/quorate-member.js";
import { startObserver } from "./support/vanilla-client.js";

/**
 * What an administrator has: two Patronis that are raft members themselves, and a third member that only
 * votes. All three become Quorate's and go back, by nothing but what `migrate plan` prints.
 *
 * QUORATE_MIGRATE_VERSION names another version of PySyncObj than 0.3.17. QUORATE_MIGRATE_MISTAKE has
 * one step done wrongly (see followed-plan.ts): the test has to fail then.
 */
const version = process.env["QUORATE_MIGRATE_VERSION"] ?? "0.3.17";
const mistake = mistakes.find((each) => each === process.env["QUORATE_MIGRATE_MISTAKE"]);

/** Between two looks of a check: seconds. */
const interval = "1";
/** An election with lost votes on a busy machine; upstream's connections come back after 5 s. */
const gapMsMax = 10_000;

/** The seat of one member: the processes on its machine. */
class Seat implements Machine {
  readonly file: string;
  readonly address: string;
  readonly #stage: PatroniStage;
  readonly #node: PatroniNode | null;
  #member: Child | null = null;
  quorate: QuorateMember | null = null;
  #raft: Readonly<Record<string, unknown>> = {};

  constructor(stage: PatroniStage, address: string, at: PatroniNode | string) {
    this.#stage = stage;
    this.address = address;
    this.#node = typeof at === "string" ? null : at;
    this.file = typeof at === "string" ? at : at.configFile;
  }

  async start(program: string, file: string): Promise<void> {
    if (program === "patroni") {
      assert.equal(file, this.#node?.configFile);
      this.#node?.start();
      return;
    }
    const isOurs = program === "quorate run";
    const [http = ""] = await freeAddresses(1);
    const { python, scene, account } = this.#stage;
    const command = isOurs
      ? {
          program: process.execPath,
          args: [join(projectRoot(), "bin", "quorate.js"), "run", file, "--http", http],
        }
      : { program: python.bin(program), args: [file] };
    // Beside Patroni the files are those of its user.
    const given = this.#node === null ? command : account.asChild(command);
    this.#member = scene.start({ name: `${program} ${this.address}`, env: python.env, ...given });
    await untilListening(this.#member, this.address);
    const options = { selfAddr: this.address, dataDir: "", http, isWriter: false };
    this.quorate = isOurs ? new QuorateMember(options, this.#member) : null;
  }

  async stop(program: string): Promise<void> {
    if (program === "patroni") {
      await this.#node?.stop();
      return;
    }
    const exit = await this.#member?.stop();
    assert.ok(exit !== undefined, `${program} does not run here`);
    if (program === "quorate run") assert.equal(exit.code, 0);
  }

  edit(isObserver: boolean): void {
    this.#node?.editRaft((raft) => {
      if (!isObserver) return this.#raft;
      this.#raft = raft;
      const { self_addr, bind_addr, data_dir, ...others } = raft;
      return { ...others, partner_addrs: [...Object(raft["partner_addrs"]), self_addr] };
    });
  }

  patronictl(args: readonly string[]): Promise<string> {
    assert.ok(this.#node !== null);
    return this.#stage.patronictl(this.#node, args);
  }
}

const identity =
  "select pg_postmaster_start_time(), pg_is_in_recovery(), timeline_id from pg_control_checkpoint()";

test("a live cluster under a real Patroni becomes Quorate's and goes back, as the plan says", async (t) => {
  const stage = await openPatroniStage(t, version);
  const { scene } = stage;
  const addresses = await freeAddresses(3);
  const [first = "", second = "", third = ""] = addresses;
  const others = (self: string) => addresses.filter((each) => each !== self);

  const file = join(scene.makeFolder("third"), "raft.yml");
  const raft = { self_addr: third, partner_addrs: others(third), data_dir: join(file, "../data") };
  scene.makeFolder("third/data");
  writeFileSync(file, stringify({ raft, ttl: 20, loop_wait: 2 }));
  const pg1 = await stage.node({ name: "pg1", selfAddr: first, partners: others(first) });
  const pg2 = await stage.node({ name: "pg2", selfAddr: second, partners: others(second) });
  const seats = [
    new Seat(stage, first, pg1),
    new Seat(stage, second, pg2),
    new Seat(stage, third, file),
  ];
  await seats[2]?.start("patroni_raft_controller", file);
  await bootstrap(stage, pg1, pg2);
  await untilListed(stage, pg1, pg2);

  const before = [await pg1.sql(identity), await pg2.sql(identity)];
  const termBefore = await highestTerm(addresses);
  const observer = await startObserver(scene, { version, partners: addresses });
  const rows = new RowWriter(pg1, "row");
  const load = new DcsLoad(observer, "/load/");
  const follow = async (...flags: string[]) => {
    const patroni = ["--patroni", `${first},${second}`];
    const changed = await followPlan({
      args: [file, ...patroni, "--interval", interval, ...flags],
      ...{ file, machines: new Map(seats.map((seat) => [seat.address, seat])) },
      note: (line) => stage.note(line.replaceAll(scene.folder, "")),
      ...(mistake === undefined ? {} : { mistake }),
    });
    assert.deepEqual([...changed].sort(), [...addresses].sort());
  };
  try {
    await follow();
    const members = seats.map(({ quorate }) => quorate);
    assert.ok(members.every((member) => member !== null));
    for (const member of members) await checkKeys(stage, member, pg1, pg2);
    await assertEqualData([...members, observer]);
    await follow("--back");
  } finally {
    await Promise.all([rows.stop(), load.stop()]);
  }
  await untilListed(stage, pg1, pg2);
  assert.deepEqual(
    [await pg1.sql(identity), await pg2.sql(identity)],
    before,
    "the same postmasters",
  );
  assert.deepEqual(rows.failures, []);
  assert.equal(await pg1.sql("select count(*) from kept"), String(rows.written));
  const term = await highestTerm(addresses);
  const gaps = load.gaps.map(({ ms, failed }) => `${Math.round(ms)} ms (${failed} failed)`);
  stage.note(
    `${rows.written} rows, ${load.acked.length} writes of the DCS; terms ${termBefore} to ${term}; ` +
      `without an acknowledged one: ${gaps.join(", ") || "never"}`,
  );
  assert.ok(load.gaps.length <= term - termBefore, "writes fail in elections only");
  for (const { ms } of load.gaps) assert.ok(ms < gapMsMax, `${ms} ms without a write`);
  const { entries } = await observer.data();
  for (const key of load.acked) assert.equal(entries[key]?.value, key, `${key} was acknowledged`);
  for (const folder of [
    join(pg1.folder, "raft"),
    join(pg2.folder, "raft"),
    join(file, "../data"),
  ]) {
    await eventually(`all that was acknowledged is in ${folder}`, () => holds(folder, load.acked));
  }
  for (const node of [pg1, pg2]) assert.doesNotMatch(node.log(), /demot/i);
});

/** A member's files, which each program has gone on with. */
async function holds(folder: string, keys: readonly string[]): Promise<boolean> {
  const { out } = await quorateCli(["inspect", folder, "--at", "end", "--json"]);
  const { entries } = JSON.parse(out);
  return keys.every((key) => entries[key]?.value === key);
}

/** Of the members that answer, as our own command reads it. */
function highestTerm(addresses: readonly string[]): Promise<number> {
  return eventually("all are of one term", async () => {
    const terms = new Set<number>();
    for (const address of addresses) {
      const { code, out } = await quorateCli(["status", "--addr", address, "--json"]);
      if (code !== 0) return false;
      terms.add(Number(JSON.parse(out).term));
    }
    return terms.size === 1 && [...terms][0];
  });
}
