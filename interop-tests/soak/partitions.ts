import { PartitionCluster } from "../support/partition-cluster.js";
import {
  faultsOf,
  partitionScenarios,
  play,
  resultLine,
  stallMsMax,
  watchStalls,
} from "../support/partition-scenarios.js";
import { Scene } from "../support/scene.js";
import { SoakArguments } from "../support/soak-arguments.js";

const usage = `usage: npm run soak -- partitions [options]
  --kinds LETTERS   q for a Quorate member, v for a vanilla one; default: qqq
  --version V       PySyncObj of the vanilla members and of the client; default: 0.3.17
  --hold SECONDS    how long a link stays cut; default: 8
  --fallback SEC    leader_fallback_timeout; default: the product's
  --compact N       a longer log is compacted; default: 500 entries
  --only TEXT       scenarios whose name holds the text
  --rounds N        default: 1
Needs root: the members' links are network namespaces. Faults found: exit code 1.`;

const given = new SoakArguments({
  program: "npm run soak -- partitions",
  help: usage,
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

const kinds = given.kinds("kinds", { from: 3, to: 7 });
const version = given.version("version");
const holdMs = 1000 * given.number("hold", { from: 0.1, to: 3600 });
const leaderFallbackSec =
  given.text("fallback") === undefined ? undefined : given.number("fallback", { from: 0.1 });
const compactAbove = given.count("compact");
const rounds = given.count("rounds");
const only = given.text("only") ?? "";
const chosen = partitionScenarios.filter(
  ({ name, membersMin = 0 }) => name.includes(only) && membersMin <= kinds.length,
);
if (chosen.length === 0) {
  const names = partitionScenarios.map(({ name }) => name).join("; ");
  given.refuse(`--only: ${kinds.length} members have no scenario with ${only}, of ${names}`);
}
process.exitCode = await main();

async function main(): Promise<number> {
  const scene = new Scene();
  let faults = 0;
  let judged = 0;
  try {
    const options = { version, kinds, leaderFallbackSec, compactAbove };
    const cluster = await PartitionCluster.start(scene, options);
    for (let round = 1; round <= rounds; round++) {
      for (const scenario of chosen) {
        const stalls = watchStalls();
        const result = await play(cluster, scenario, { holdMs, random: Math.random });
        const stallMs = stalls();
        // A leader that the machine stopped is replaced by right: that shows nothing.
        const isJudged = stallMs <= stallMsMax;
        const found = faultsOf(scenario, result);
        if (isJudged && !kinds.includes("vanilla")) faults += found.length;
        if (isJudged) judged += 1;
        const stalled = isJudged ? "" : `, the machine stood still for ${stallMs.toFixed(0)} ms`;
        console.log([...found, `${resultLine(result)}${stalled}`].join(": "));
      }
    }
    const lost = await cluster.lostWrites();
    console.log(`${cluster.load.acked.size} acknowledged, ${lost.length} lost, data equal`);
    for (const line of lost) console.log(line);
    faults += lost.length;
    if (judged === 0) console.log("the machine stood still in every scenario: nothing is shown");
    cluster.stopWatching();
  } catch (error) {
    console.log(scene.report());
    throw error;
  } finally {
    await scene.close();
  }
  return faults === 0 && judged > 0 ? 0 : 1;
}
