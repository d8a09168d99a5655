import { setTimeout as sleep } from "node:timers/promises";
import type { ClockCluster } from "./clock-cluster.js";

export const hourSec = 3_600;
export const ttlSec = 4;
/** Before a jump or a change of leader. */
const beforeMs = 1_000;

/** A wrong clock, and how long a key of `ttlSec` lives with it: null where it outlives all patience. */
export interface ClockCase {
  readonly name: string;
  run(cluster: ClockCluster): Promise<number | null>;
}

export const clockCases: readonly ClockCase[] = [
  { name: "all clocks right", run: (cluster) => cluster.life(ttlSec) },
  ...[hourSec, -hourSec].flatMap((skewSec): ClockCase[] => {
    const side = skewSec > 0 ? "ahead" : "behind";
    return [
      {
        name: `the members an hour ${side}`,
        run: (cluster) => {
          for (const { clock } of cluster.members) clock.set(skewSec);
          return cluster.life(ttlSec);
        },
      },
      {
        name: `the writer an hour ${side}`,
        run: (cluster) => cluster.life(ttlSec, { writerAheadSec: skewSec }),
      },
      {
        name: `the members jump to an hour ${side} after 1 s`,
        run: (cluster) => {
          const during = async () => {
            await sleep(beforeMs);
            for (const { clock } of cluster.members) clock.set(skewSec);
          };
          return cluster.life(ttlSec, { during });
        },
      },
      {
        name: `after 1 s a member an hour ${side} takes over`,
        run: async (cluster) => {
          const next = await cluster.follower();
          next.clock.set(skewSec);
          const during = async () => {
            await sleep(beforeMs);
            await cluster.handTo(next);
          };
          return cluster.life(ttlSec, { during });
        },
      },
    ];
  }),
];

/** Patroni's primary renews its key; gives how many of the looks found it gone. */
export async function renewals(cluster: ClockCluster, aheadSec: number): Promise<string> {
  for (const { clock } of cluster.members) clock.set(aheadSec);
  let [looks, gone] = [0, 0];
  for (let round = 0; round < 4; round++) {
    await cluster.write(ttlSec);
    for (let look = 0; look < 10; look++) {
      await sleep(100);
      looks += 1;
      if (!(await cluster.has())) gone += 1;
    }
  }
  return `gone in ${gone} of ${looks} looks`;
}
