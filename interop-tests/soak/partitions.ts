import { parseArgs } from "node:util";
import { PartitionCluster } from "../support/partition-cluster.js";
import { partitionScenarios, play, resultLine } from "../support/partition-scenarios.js";
import { Scene } from "../support/scene.js";
import type { Kind } from "../support/seats.js";

const usage = `usage: npm run soak -- partitions [options]
  --kinds LETTERS   q for a Quorate member, v for a vanilla one; default: qqq
  --version V       PySyncObj of the vanilla members and of the client; default: 0.3.17
  --hold SECONDS    how long a link stays cut; default: 8
  --fallback SEC    leader_fallback_timeout; default: the product's
  --compact N       a longer log is compacted; default: 500 entries
  --only TEXT       scenarios whose name holds the text
  --rounds N        default: 1
Needs root: the members' links are network namespaces. Faults found: exit code 1.`;

const { values } = parseArgs({
  options: {
    kinds: { type: "string", default: "qqq" },
    version: { type: "string", default: "0.3.17" },
    hold: { type: "string", default: "8" },
    fallback: { type: "string" },
    compact: { type: "string", default: "500" },
    only: { type: "string", default: "" },
    rounds: { type: "string", default: "1" },
    help: { type: "boolean", default: false },
  },
});

if (values.help) console.log(usage);
else process.exitCode = await main();

async function main(): Promise<number> {
  const kinds = [...values.kinds].map((letter): Kind => (letter === "v" ? "vanilla" : "quorate"));
  const scene = new Scene();
  let faults = 0;
  try {
    const leaderFallbackSec = values.fallback === undefined ? undefined : Number(values.fallback);
    const { version } = values;
    const compactAbove = Number(values.compact);
    const options = { version, kinds, leaderFallbackSec, compactAbove };
    const cluster = await PartitionCluster.start(scene, options);
    const chosen = partitionScenarios.filter(
      ({ name, membersMin = 0 }) => name.includes(values.only) && membersMin <= kinds.length,
    );
    for (let round = 1; round <= Number(values.rounds); round++) {
      for (const scenario of chosen) {
        const holdMs = 1000 * Number(values.hold);
        const result = await play(cluster, scenario, { holdMs, random: Math.random });
        const isFault = result.changes > scenario.changesMax;
        if (isFault && !kinds.includes("vanilla")) faults += 1;
        console.log(`${isFault ? "MORE " : ""}${resultLine(result)}`);
      }
    }
    const lost = await cluster.lostWrites();
    console.log(`${cluster.load.acked.size} acknowledged, ${lost.length} lost, data equal`);
    for (const line of lost) console.log(line);
    faults += lost.length;
    cluster.stopWatching();
  } catch (error) {
    console.log(scene.report());
    throw error;
  } finally {
    await scene.close();
  }
  return faults === 0 ? 0 : 1;
}
