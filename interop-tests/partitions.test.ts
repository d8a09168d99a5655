import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { PartitionCluster } from "./support/partition-cluster.js";
import {
  faultsOf,
  type PartitionScenario,
  partitionScenarios,
  play,
  resultLine,
  stallMsMax,
  watchStalls,
} from "./support/partition-scenarios.js";
import { openScene } from "./support/scene.js";
import type { Kind } from "./support/seats.js";

/** Longer than connection_timeout (3.5 s): the links are given up, and made anew. */
const holdMs = 4_500;
/** Of the client that writes. */
const version = "0.3.17";
/** By default 30: with less a leader that is cut off gives up while it still is, and says so. */
const leaderFallbackSec = 4;
/** Entries: a follower that was away is then brought up to date with a dump. */
const compactAbove = 500;
const attemptsMax = 3;

const forThree = partitionScenarios.filter(({ membersMin }) => membersMin === undefined);
const forFive = partitionScenarios.filter(({ membersMin }) => membersMin === 5);

/** Once more where the machine stood still meanwhile: then leaders change by right. */
async function playCalmly(cluster: PartitionCluster, scenario: PartitionScenario): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const stalls = watchStalls();
    try {
      const result = await play(cluster, scenario, { holdMs, random: Math.random });
      console.log(resultLine(result));
      assert.deepEqual(faultsOf(scenario, result), []);
      return;
    } catch (error) {
      const stallMs = stalls();
      if (stallMs <= stallMsMax || attempt === attemptsMax) throw error;
      console.log(`${scenario.name}: ${error}`);
      console.log(`the machine stood still for ${stallMs.toFixed(0)} ms: once more`);
    } finally {
      stalls();
    }
  }
}

function playAll(name: string, count: number, scenarios: readonly PartitionScenario[]): void {
  test(name, async (t) => {
    const scene = openScene(t);
    const kinds = Array.from({ length: count }, (): Kind => "quorate");
    const cluster = await PartitionCluster.start(scene, {
      version,
      kinds,
      leaderFallbackSec,
      compactAbove,
    });
    for (const scenario of scenarios) {
      await t.test(scenario.name, async () => {
        await playCalmly(cluster, scenario);
      });
    }
    await t.test(
      "no two leaders in a term, nothing acknowledged lost, all data equal",
      async () => {
        const terms = cluster.leaderships().map(({ term }) => term);
        assert.deepEqual(terms, [...new Set(terms)]);
        assert.deepEqual(await cluster.lostWrites(), []);
        assert.ok(cluster.load.acked.size > 200, `${cluster.load.acked.size} acknowledged`);
        console.log(`${name}: ${cluster.load.acked.size} acknowledged, none lost, data equal`);
      },
    );
    cluster.stopWatching();
  });
}

suite("links that are cut, one way or both, slow or flapping", { concurrency: true }, () => {
  playAll(
    "three members",
    3,
    forThree.filter((_, n) => n % 2 === 0),
  );
  playAll(
    "another three members",
    3,
    forThree.filter((_, n) => n % 2 === 1),
  );
  playAll("five members", 5, forFive);
});
