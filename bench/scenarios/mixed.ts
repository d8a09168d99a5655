import { setTimeout as sleep } from "node:timers/promises";
import type { LoopResult } from "../load/closed-loop.js";
import type { Options } from "../options.js";
import type { Outcome } from "../report/results.js";
import { showSpread } from "../report/statistics.js";
import { table } from "../report/table.js";
import { type Kind, pysyncobjVersion, startMembers } from "../systems/raft-members.js";
import type { Running } from "../systems/system.js";
import { inScene, measure, type Say } from "./scenario.js";
import { figureOf } from "./throughput.js";

const clusters: readonly (readonly [name: string, kinds: readonly Kind[]])[] = [
  ["quorate leads two pysyncobj", ["quorate", "vanilla", "vanilla"]],
  ["three pysyncobj", ["vanilla", "vanilla", "vanilla"]],
];
const leaderMsMax = 120_000;

/** A Quorate leader beside two PySyncObj members, and three PySyncObj members, in turns. */
export async function mixed(options: Options, say: Say): Promise<Outcome> {
  const runs = new Map<string, LoopResult[]>();
  for (let round = 1; round <= options.repeats; round++) {
    for (const [name, kinds] of clusters) {
      await inScene(async (scene) => {
        const { members, password } = options;
        const running = await startMembers(scene, { members, password }, kinds);
        if (kinds[0] === "quorate") await haveFirstLead(running);
        for (const concurrency of options.concurrency) {
          const result = await measure(running, options, concurrency);
          const key = `${name} ${concurrency}`;
          runs.set(key, [...(runs.get(key) ?? []), result]);
          say(`round ${round}: ${key} in flight: ${result.rate.toFixed(0)}/s`);
        }
      });
    }
  }
  const figures = clusters.flatMap(([name]) =>
    options.concurrency.map((c) => figureOf(name, c, runs.get(`${name} ${c}`) ?? [])),
  );
  const rows = figures.map(({ system, concurrency, rate, p50 }) => [
    ...[system, String(concurrency), showSpread(rate), showSpread(p50, 2)],
  ]);
  const text = table(["cluster", "in flight", "writes/s", "p50 ms"], rows);
  return { figures: { pysyncobj: pysyncobjVersion, figures }, text };
}

/** Others that lead are stopped and started until the first member does. */
async function haveFirstLead(running: Running): Promise<void> {
  const deadline = performance.now() + leaderMsMax;
  while (performance.now() < deadline) {
    const leader = await running.leader();
    if (leader === running.members[0]) return;
    await leader.child.stop("SIGKILL");
    await running.leader();
    await running.restart(leader);
    await sleep(500);
  }
  throw new Error(`the first member did not lead within ${leaderMsMax} ms`);
}
