import { join } from "node:path";
import type { Chance } from "./chance.js";
import { assertEqualData } from "./compare.js";
import { type DirectoryImage, leftovers, type NameOrder } from "./leftovers.js";
import { MemberTrace } from "./member-trace.js";
import { writeImage } from "./power-loss.js";
import { startQuorate } from "./quorate-member.js";
import { Scene } from "./scene.js";
import type { TracedCluster } from "./traced-cluster.js";

/** The clock of the acknowledgements has milliseconds, the tracer's has more. */
const clockStepMs = 2;
/** Elections among members that have just started, on a busy machine. */
const settleMsMax = 60_000;

/** One moment in the life of a cluster whose members are all traced: what each is left with. */
export interface Blackout {
  readonly atSec: number;
  /** By the member's address; a member that had not begun has nothing. */
  readonly left: Map<string, DirectoryImage>;
}

/** So many moments at which the power of all members goes, between the first write and the last. */
export async function blackouts(
  cluster: TracedCluster,
  { count, order, chance }: { count: number; order: NameOrder; chance: Chance },
): Promise<Blackout[]> {
  const times = [...cluster.acked.values()].map(({ atMs }) => atMs / 1000).sort((a, b) => a - b);
  const [first = 0, last = 0] = [times[0], times.at(-1)];
  const found = Array.from({ length: count }, () => {
    const atSec = first + ((last - first) * chance.pick(1_000_000)) / 1_000_000;
    return { atSec, left: new Map<string, DirectoryImage>() };
  });
  for (const address of cluster.addresses) {
    const { selfAddr, dataDir, files } = cluster.tracesOf(address);
    const trace = new MemberTrace({ selfAddr, dataDir, majority: 2 });
    for (const file of files) {
      await trace.play(file, ({ disk, sec, untilSec }) => {
        for (const { atSec, left } of found) {
          if (atSec < sec || atSec >= untilSec) continue;
          // What a process has left stays until the next one's trace says otherwise.
          const [image] = leftovers(disk, { order, statesMax: 1, chance });
          if (image !== undefined) left.set(address, image);
        }
      });
    }
  }
  return found;
}

/**
 * Starts the members on what the moment left of their disks.
 *
 * @returns how many writes had been acknowledged by then, and which of them are not there as they were written.
 */
export async function relight(
  cluster: TracedCluster,
  { atSec, left }: Blackout,
): Promise<{ readonly acked: number; readonly lost: readonly string[] }> {
  const scene = new Scene();
  try {
    const members = await Promise.all(
      cluster.addresses.map((selfAddr) => {
        const dataDir = join(scene.folder, selfAddr);
        writeImage(dataDir, left.get(selfAddr) ?? new Map());
        const partners = cluster.addresses.filter((address) => address !== selfAddr);
        const extraArgs = ["--connection-retry-time", "0.2"];
        return startQuorate(scene, { selfAddr, partners, dataDir, extraArgs });
      }),
    );
    const byThen = [...cluster.acked].filter(([, { atMs }]) => atMs <= atSec * 1000 - clockStepMs);
    const highest = Math.max(0, ...byThen.map(([, { index }]) => index));
    const applied = members.map((member) => ({
      name: member.name,
      async data() {
        const data = await member.data();
        if (data.appliedIndex < highest) throw new Error(`${data.appliedIndex} of ${highest}`);
        return data;
      },
    }));
    const { entries } = await assertEqualData(applied, { timeoutMs: settleMsMax });
    const isThere = ([key, { value, index }]: (typeof byThen)[number]) =>
      entries[key]?.value === value && entries[key].index === index;
    const lost = byThen.filter((write) => !isThere(write)).map(([key]) => key);
    return { acked: byThen.length, lost };
  } catch (error) {
    throw new Error(`${String(error)}\n${scene.report()}`, { cause: error });
  } finally {
    await scene.close();
  }
}
