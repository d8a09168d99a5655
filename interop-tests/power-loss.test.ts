import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, type TestContext, test } from "node:test";
import type { Breakage } from "./support/broken-member.js";
import { Chance } from "./support/chance.js";
import type { NameOrder } from "./support/leftovers.js";
import { MemberTrace, type Visit } from "./support/member-trace.js";
import { PowerLoss } from "./support/power-loss.js";
import { blackouts, relight } from "./support/rebuilt-cluster.js";
import { runOn, type Sample, sampling } from "./support/rebuilt-member.js";
import { Scene } from "./support/scene.js";
import { runClusterScenario, runScenario, TracedCluster } from "./support/traced-cluster.js";

/* A real member's system calls; `npm run soak -- power-loss` does more of it. See docs/crashes.md. */

const seed = Number(process.env["POWER_SEED"] ?? Math.floor(Math.random() * 1_000_000));
/** Each is a directory on a disk, opened by the real storage: some milliseconds. */
const statesPerMoment = 16;
const momentsMax = 120;
/** Each is a member that starts. */
const samplesMax = 8;
const orders: readonly NameOrder[] = ["ordered", "any"];

suite("a member under strace", () => {
  const scene = new Scene();
  let cluster: TracedCluster;

  before(async () => {
    cluster = await TracedCluster.start(scene);
    try {
      await runScenario(cluster);
    } catch (error) {
      console.error(scene.report());
      throw error;
    } finally {
      await cluster.close();
    }
  });
  after(() => scene.close());
  let whole: MemberTrace;
  let moments = 0;

  test("sends no term, vote or confirmation before it is synced", async (t) => {
    whole = await played(cluster, () => {
      moments += 1;
    });
    const { faults, checked } = whole.revealed;
    t.diagnostic(`checked: ${[...checked].map(([what, count]) => `${count} ${what}`).join(", ")}`);
    assert.deepEqual(faults, []);
    for (const what of [
      ...["request_vote", "a vote", "append_entries", "append_chunk", "a commit"],
      ...["next_node_idx", "entries confirmed", "apply_command_response", "a status"],
      "a dump",
    ]) {
      assert.ok((checked.get(what) ?? 0) > 0, `no ${what} was seen`);
    }
  });

  test("has its journal written by the pool, and by the thread that writes batches", (t) => {
    const { thread, pool, figures } = whole.journal;
    t.diagnostic(figures);
    assert.ok(thread.syncs >= 10 && thread.writes >= thread.syncs, figures);
    assert.ok(pool.syncs >= 1 && pool.writes >= pool.syncs, figures);
  });

  test("does nothing to its files but what was followed", () => {
    const { disk } = whole;
    const { dataDir } = cluster.tracesOf(cluster.traced);
    assert.deepEqual([...disk.names.keys()].sort(), readdirSync(dataDir).sort());
    for (const [name, { cached }] of disk.names) {
      assert.ok(readFileSync(join(dataDir, name)).equals(cached), name);
    }
  });

  for (const order of orders) {
    test(`finds all that it had told after a loss of power, names ${order}`, async (t) => {
      const power = new PowerLoss({
        ...{ selfAddr: cluster.traced, order, statesMax: statesPerMoment },
        ...{ chance: new Chance(seed), share: momentsMax / moments },
      });
      try {
        await played(cluster, power.visit);
      } finally {
        power.close();
      }
      const different = power.opened.size;
      t.diagnostic(`POWER_SEED=${seed}: of ${moments} moments ${power.figures}`);
      assert.deepEqual(power.faults, []);
      assert.ok(power.dumps.size > 1, power.figures);
      assert.ok(different >= momentsMax / 2, `only ${different} different directories`);
    });
  }

  test("runs on what a loss of power has left", async (t) => {
    const samples: Sample[] = [];
    const chance = new Chance(seed);
    // By chance none of the moments may be chosen: then they are drawn again.
    for (let draws = 0; samples.length === 0 && draws < 5; draws++) {
      await played(cluster, sampling(samples, samplesMax / moments, chance));
    }
    t.diagnostic(`POWER_SEED=${seed}: ${samples.length} samples of ${moments} moments`);
    assert.ok(samples.length > 0, `POWER_SEED=${seed}: no sample of ${moments} moments`);
    for (const [n, sample] of samples.slice(0, samplesMax).entries()) {
      const place = { name: `rebuilt-${n}`, selfAddr: cluster.traced, partners: cluster.others };
      assert.equal(await runOn(scene, sample, place), null, `POWER_SEED=${seed}, sample ${n}`);
    }
  });
});

test("a whole cluster that loses its power keeps every acknowledged write", async (t) => {
  const scene = new Scene();
  t.after(() => scene.close());
  const cluster = await TracedCluster.start(scene, { all: true });
  try {
    await runClusterScenario(cluster);
  } catch (error) {
    console.error(scene.report());
    throw error;
  } finally {
    await cluster.close();
  }
  const chance = new Chance(seed);
  let ackedMost = 0;
  for (const order of orders) {
    for (const blackout of await blackouts(cluster, { count: 3, order, chance })) {
      const { acked, lost } = await relight(cluster, blackout);
      t.diagnostic(
        `POWER_SEED=${seed}: names ${order}: ${acked} acknowledged, ${lost.length} lost`,
      );
      assert.deepEqual(lost, []);
      ackedMost = Math.max(ackedMost, acked);
    }
  }
  // Of six moments between the first write and the last.
  assert.ok(ackedMost > 0, `POWER_SEED=${seed}: nothing was acknowledged before any of them`);
});

/** What each breakage must show: a check that cannot fail proves nothing. */
const breakages: readonly (readonly [Breakage, string, readonly string[]])[] = [
  ["files", "no fdatasync", ["a vote", "append_entries", "apply_command_response", "a commit"]],
  ["names", "no fsync of the directory", ["a vote", "append_entries", "apply_command_response"]],
  ["early", "messages leave before the sync has ended", ["request_vote", "apply_command_response"]],
  ["thread", "its thread answers before its sync", ["next_node_idx", "apply_command_response"]],
];

for (const [how, what, kinds] of breakages) {
  test(`a member broken on purpose is found out: ${what}`, async (t) => {
    const cluster = await brokenCluster(t, how, how === "thread");
    assertFound(await played(cluster), kinds);
  });
}

test("a member broken on purpose is found out: other bytes in its journal and its dumps", async (t) => {
  const cluster = await brokenCluster(t, "content", true);
  const chance = new Chance(seed);
  const power = new PowerLoss({
    ...{ selfAddr: cluster.traced, order: "any", statesMax: 4, chance, share: 0.2 },
  });
  try {
    const trace = await played(cluster, power.visit);
    assertFound(trace, ["entries confirmed", "apply_command_response", "a dump"]);
  } finally {
    power.close();
  }
  for (const fault of [/entry \d+ of term \d+ is of other bytes/, /the dump: its value of /]) {
    const found = power.faults.join("\n");
    assert.match(found, fault);
  }
});

/** It has led; where it is to follow as well, it has. */
async function brokenCluster(
  t: TestContext,
  broken: Breakage,
  follows = false,
): Promise<TracedCluster> {
  const scene = new Scene();
  t.after(() => scene.close());
  const cluster = await TracedCluster.start(scene, { broken });
  try {
    await cluster.write(20);
    await cluster.makeLead(cluster.traced);
    if (broken === "thread") await cluster.writeUntilThread();
    await cluster.write(20);
    if (follows) {
      await cluster.makeLead(cluster.others[0] ?? "");
      await cluster.write(20);
    }
  } finally {
    await cluster.close();
  }
  await cluster.stop("SIGKILL");
  return cluster;
}

function assertFound({ revealed }: MemberTrace, kinds: readonly string[]): void {
  const found = new Set(revealed.faults.map((fault) => fault.split(": ")[1]));
  for (const kind of kinds) {
    assert.ok(found.has(kind), `${kind} was not found: ${[...found].join(", ")}`);
  }
}

async function played(cluster: TracedCluster, visit?: Visit): Promise<MemberTrace> {
  const { selfAddr, dataDir, files } = cluster.tracesOf(cluster.traced);
  const trace = new MemberTrace({ selfAddr, dataDir, majority: 2 });
  for (const file of files) await trace.play(file, visit);
  return trace;
}
