import { setTimeout as sleep } from "node:timers/promises";
import { Probe } from "../load/probe.js";
import type { Options } from "../options.js";
import type { Outcome } from "../report/results.js";
import { type Spread, showSpread, spreadOf } from "../report/statistics.js";
import { table } from "../report/table.js";
import { chosenSystems } from "../systems/chosen.js";
import type { Running } from "../systems/system.js";
import { inCluster, type Say } from "./scenario.js";

/** Between the restart of the killed member and the next kill. */
const settleMs = 1_500;
const failoverMsMax = 60_000;

/** From SIGKILL of the leader to the commit of a write that was sent after it. */
export async function failover(options: Options, say: Say): Promise<Outcome> {
  const figures: { system: string; ms: Spread }[] = [];
  for (const system of await chosenSystems(options.systems, say)) {
    const times = await inCluster(system, options, async (running) => {
      const probe = await Probe.start(running, options.password);
      const found: number[] = [];
      for (let kill = 1; kill <= options.repeats; kill++) {
        found.push(await killOnce(running, probe));
        say(`${system.name}, kill ${kill}: ${found.at(-1)?.toFixed(0)} ms`);
      }
      probe.stop();
      return found;
    });
    figures.push({ system: system.name, ms: spreadOf(times) });
  }
  const rows = figures.map(({ system, ms }) => [system, showSpread(ms), String(ms.values.length)]);
  return { figures, text: table(["system", "ms to the next commit", "kills"], rows) };
}

async function killOnce(running: Running, probe: Probe): Promise<number> {
  await sleep(settleMs);
  const leader = await running.leader();
  const killedMs = performance.now();
  leader.child.signal("SIGKILL");
  const committedMs = await probe.firstSentAfter(killedMs, failoverMsMax);
  await leader.child.exited;
  await running.restart(leader);
  return committedMs - killedMs;
}
