import { readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Options } from "../options.js";
import type { Outcome } from "../report/results.js";
import { shown } from "../report/statistics.js";
import { table } from "../report/table.js";
import { chosenSystems } from "../systems/chosen.js";
import { cpuMs, residentBytes } from "../systems/vital-signs.js";
import { inCluster, type Say } from "./scenario.js";

/** What comes with the start is over by then, and what runs ten times a second is compiled. */
const settleMs = 60_000;
const mib = 2 ** 20;

/** Processor time and memory of members that nobody asks for anything, for --seconds. */
export async function idle(options: Options, say: Say): Promise<Outcome> {
  const figures: { system: string; role: string; cpuPercent: number; residentMib: number }[] = [];
  for (const system of await chosenSystems(options.systems, say)) {
    await inCluster(system, options, async (running) => {
      const leader = await running.leader();
      await sleep(settleMs);
      const before = running.members.map(({ child }) => spent(child.pid));
      const began = performance.now();
      await sleep(options.seconds * 1000);
      const elapsedMs = performance.now() - began;
      running.members.forEach((member, at) => {
        const ms = spent(member.child.pid) - (before[at] ?? 0);
        figures.push({
          system: system.name,
          role: member === leader ? "leader" : "follower",
          cpuPercent: (100 * ms) / elapsedMs,
          residentMib: residentBytes(member.child.pid) / mib,
        });
      });
    });
  }
  const rows = figures.map(({ system, role, cpuPercent, residentMib }) => [
    ...[system, role, shown(cpuPercent, 2), shown(residentMib)],
  ]);
  return { figures, text: table(["system", "role", "% of a core", "resident MiB"], rows) };
}

function spent(pid: number): number {
  return cpuMs(pid, readdirSync(`/proc/${pid}/task`));
}
