import { Chance } from "../support/chance.js";
import type { NameOrder } from "../support/leftovers.js";
import { MemberTrace } from "../support/member-trace.js";
import { PowerLoss } from "../support/power-loss.js";
import { Scene } from "../support/scene.js";
import { SoakArguments } from "../support/soak-arguments.js";
import { runScenario, TracedCluster } from "../support/traced-cluster.js";

const help = `npm run soak -- power-loss [options]

A real member under strace through elections, both roles, compactions, a kill, a dump from the leader
and a truncation. Each message that it sends is held against what was synced before; then what a loss of
power could have left is rebuilt at every moment and opened by the real storage.

  --runs N    scenarios (1)
  --states N  directories rebuilt per moment at most: all where there are no more, else by chance (256)
  --seed S    of the first scenario; the next ones count up (a random one)
  --help`;

const options = {
  runs: { type: "string", default: "1" },
  states: { type: "string", default: "256" },
  seed: { type: "string" },
  help: { type: "boolean", default: false },
} as const;

const given = new SoakArguments({ program: "npm run soak -- power-loss", help, options });
const runs = given.count("runs");
const statesMax = given.count("states");
const firstSeed = given.count("seed", {
  from: 0,
  otherwise: Math.floor(Math.random() * 1_000_000),
});
const orders: readonly NameOrder[] = ["ordered", "any"];
let faults = 0;
let states = 0;

for (let run = 0; run < runs; run++) await runOnce(firstSeed + run);
if (states === 0) console.log("nothing was rebuilt: nothing is shown");
process.exit(faults === 0 && states > 0 ? 0 : 1);

async function runOnce(seed: number): Promise<void> {
  const scene = new Scene();
  try {
    const cluster = await TracedCluster.start(scene);
    try {
      await runScenario(cluster);
    } finally {
      await cluster.close();
    }
    for (const order of orders) await rebuild(cluster, order, seed);
  } finally {
    await scene.close();
  }
}

async function rebuild(cluster: TracedCluster, order: NameOrder, seed: number): Promise<void> {
  const { selfAddr, dataDir, files } = cluster.tracesOf(cluster.traced);
  const trace = new MemberTrace({ selfAddr, dataDir, majority: 2 });
  const chance = new Chance(seed);
  const power = new PowerLoss({ selfAddr, order, statesMax, chance, share: 1 });
  try {
    for (const file of files) await trace.play(file, power.visit);
  } finally {
    power.close();
  }
  const checks = [...trace.revealed.checked.values()].reduce((sum, count) => sum + count, 0);
  const found = [...trace.revealed.faults, ...power.faults];
  faults += found.length;
  states += power.states;
  console.log(
    `seed ${seed}, names ${order}: ${checks} checks of messages, ${trace.journal.figures}; ` +
      `${power.figures}, ${found.length} faults`,
  );
  for (const fault of found.slice(0, 10)) console.log(`  ${fault}`);
}
