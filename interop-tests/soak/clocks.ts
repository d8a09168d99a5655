import { clockCases, hourSec, renewals, ttlSec } from "../support/clock-cases.js";
import { ClockCluster } from "../support/clock-cluster.js";
import { Scene } from "../support/scene.js";
import { SoakArguments } from "../support/soak-arguments.js";

const usage = `usage: npm run soak -- clocks [options]
Keys with a time to live under wall clocks that are wrong and jump: Quorate members, and vanilla ones beside them.
  --version V   PySyncObj of the vanilla members and of the client; default: 0.3.17
  --rounds N    default: 1
Needs libfaketime. A key that lives too long or too short with Quorate members: exit code 1.`;

const lateSecMax = 3;
const earlySecMax = 0.5;

const given = new SoakArguments({
  program: "npm run soak -- clocks",
  help: usage,
  options: {
    version: { type: "string", default: "0.3.17" },
    rounds: { type: "string", default: "1" },
    help: { type: "boolean", default: false },
  },
});

const version = given.version("version");
const rounds = given.count("rounds");
process.exitCode = await main();

async function main(): Promise<number> {
  const scene = new Scene();
  let faults = 0;
  try {
    const ours = await ClockCluster.start(scene, "quorate", version);
    const theirs = await ClockCluster.start(scene, "vanilla", version);
    for (let round = 1; round <= rounds; round++) {
      for (const { name, run } of clockCases) {
        await Promise.all([ours.reset(), theirs.reset()]);
        const [lived, yardstick] = await Promise.all([run(ours), run(theirs)]);
        const isFault =
          lived === null || lived > ttlSec + lateSecMax || lived < ttlSec - earlySecMax;
        if (isFault) faults += 1;
        const mark = isFault ? "WRONG " : "";
        console.log(`${mark}${name}: Quorate ${shown(lived)}, vanilla ${shown(yardstick)}`);
      }
      await Promise.all([ours.reset(), theirs.reset()]);
      const said = await Promise.all([renewals(ours, hourSec), renewals(theirs, hourSec)]);
      console.log(
        `renewed every second, the members an hour ahead: Quorate ${said[0]}, vanilla ${said[1]}`,
      );
    }
  } catch (error) {
    console.log(scene.report());
    throw error;
  } finally {
    await scene.close();
  }
  return faults === 0 ? 0 : 1;
}

function shown(seconds: number | null): string {
  return seconds === null ? "still there" : `${seconds.toFixed(1)} s`;
}
