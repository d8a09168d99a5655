import assert from "node:assert/strict";
import { test } from "node:test";
import type { GuardName } from "../../src/raft/types.js";
import { MixedCluster, type MixedOptions } from "./mixed-cluster.js";

const allGuards: readonly GuardName[] = [
  "vote-guard",
  "covered-vote",
  "covered-claim",
  "candidate-guard",
  "term-beacon",
  "look-before-truncate",
];

interface Outcome {
  readonly lost: number;
  readonly conflicts: number;
  readonly hasLeader: boolean;
}

/** Faults, then calm, then one more write. `forgetful`: vanilla members restart as well. */
function run(options: MixedOptions, forgetful: boolean): Outcome {
  const cluster = new MixedCluster(options);
  const pick = () => cluster.ids[Math.floor(cluster.random() * cluster.ids.length)] ?? "";
  let written = 0;
  for (let event = 0; event < 4000; event += 1) {
    cluster.advance();
    const roll = cluster.random();
    if (roll < 0.04) cluster.propose(cluster.leader() ?? pick(), `w${written++}`);
    else if (roll < 0.045) {
      const id = pick();
      if (forgetful || options.quorate.includes(id)) cluster.restart(id);
    } else if (roll < 0.051) cluster.disconnect(pick(), pick());
    else if (roll < 0.07) cluster.connect(...([pick(), pick()].sort() as [string, string]));
  }
  cluster.connectAll();
  cluster.calm(20_000);
  const leader = cluster.leader();
  if (leader === null) return { lost: 0, conflicts: cluster.conflicts, hasLeader: false };
  cluster.propose(leader, "last");
  cluster.calm(1_000);
  const [first = ""] = cluster.ids;
  for (const id of cluster.ids) {
    assert.deepEqual(cluster.logOf(id), cluster.logOf(first), `the logs of ${id} and ${first}`);
  }
  assert.ok(cluster.acknowledged.has("last"), "the last write is applied");
  return { lost: cluster.lostIn(leader).length, conflicts: cluster.conflicts, hasLeader: true };
}

const firstSeed = Number(process.env["SEED"] ?? 1);
const seeds = Number(process.env["SEEDS"] ?? 6);

interface Sum {
  lossy: number;
  conflicting: number;
  leaderless: number;
}

function sumOf(options: Omit<MixedOptions, "seed">, forgetful: boolean): Sum {
  const sum = { lossy: 0, conflicting: 0, leaderless: 0 };
  for (let seed = firstSeed; seed < firstSeed + seeds; seed += 1) {
    try {
      const outcome = run({ ...options, seed }, forgetful);
      if (outcome.lost > 0) sum.lossy += 1;
      if (outcome.conflicts > 0) sum.conflicting += 1;
      if (!outcome.hasLeader) sum.leaderless += 1;
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    }
  }
  return sum;
}

const mixes = [
  { quorate: ["a:1"], vanilla: ["b:1", "c:1"] },
  { quorate: ["c:1"], vanilla: ["a:1", "b:1"] },
  { quorate: ["a:1", "c:1"], vanilla: ["b:1"] },
  { quorate: ["a:1", "b:1", "c:1"], vanilla: ["d:1", "e:1"] },
] as const;

for (const mix of mixes) {
  const name = `${mix.quorate.length} Quorate members and ${mix.vanilla.length} of 0.3.15`;
  test(`${name}, of which only ours restart: plain raft, nothing is lost`, (t) => {
    const sum = sumOf(mix, false);
    t.diagnostic(JSON.stringify(sum));
    assert.deepEqual(sum, { lossy: 0, conflicting: 0, leaderless: 0 });
  });

  test(`${name}, all of which restart: there is always a leader in the end`, (t) => {
    const sum = sumOf(mix, true);
    const bare = sumOf({ ...mix, guardsOff: allGuards }, true);
    t.diagnostic(`guarded ${JSON.stringify(sum)} unguarded ${JSON.stringify(bare)}`);
    assert.equal(sum.leaderless, 0);
  });
}
