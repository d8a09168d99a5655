import type { Cluster } from "./cluster.js";
import type { Deed } from "./deeds.js";
import { Seat } from "./seat.js";
import {
  type AnySeat,
  endsInTime,
  leads,
  split,
  storyMsMax,
  termOf,
  waitMsMax,
  write,
} from "./stage.js";

/** The longest that it takes. */
const quietMs = 2 * storyMsMax;
/** Later the run is over before its end. */
const beginsMsMax = 10_000;

/**
 * Ours is cut off while it writes its first dump. The two others lose their power, and with it entries at
 * the end of what all three had committed; one of them leads a later term, and commits others in that place.
 * It demands that ours give its own up, and the dump that holds them is still on its way to the disk.
 */
export function dumpAmidConflict(cluster: Cluster, deed: Deed): void {
  const ours = cluster.seats.find((seat) => seat instanceof Seat);
  const others = cluster.seats.filter((seat) => seat !== ours);
  if (ours === undefined || cluster.size !== 3) return;
  const { disk } = ours;
  const { timeline } = cluster;
  // What a dump in place holds only the leader's own dump can replace: another story.
  if (ours.standing()?.firstIndex !== 1 || timeline.nowMs > beginsMsMax) return;
  cluster.quietUntilMs = timeline.nowMs + quietMs;
  disk.faults.holdsDumps = true;
  timeline.after(quietMs, () => {
    disk.faults.holdsDumps = false;
  });
  const isBegun = () => (disk.image.names().some(isNewDump) ? ours : null);
  cluster.when(storyMsMax, isBegun, () => loseEntries(cluster, deed, { ours, others }));
}

function isNewDump(path: string): boolean {
  return path.includes(".dump.quorate-tmp");
}

interface Sides {
  readonly ours: Seat;
  readonly others: readonly AnySeat[];
}

function loseEntries(cluster: Cluster, deed: Deed, { ours, others }: Sides): void {
  const { timeline } = cluster;
  const term = termOf(ours);
  cluster.say("world", `${ours.address} writes a dump, the others lose their power`);
  const heal = endsInTime(cluster, split(cluster, [ours], { keeps: [] }));
  for (const [at, seat] of others.entries()) {
    seat.losePower();
    // The first one is dialed by the later one, which would wait for long if nobody took its call.
    timeline.after(50 * (at + 1), () => seat.start());
  }
  cluster.when(
    waitMsMax,
    () => others.find(leads) ?? null,
    (leader) => {
      if (termOf(leader) <= term) {
        // With the term of their last election they have lost that it was: ours does not follow them.
        ours.disk.faults.holdsDumps = false;
        heal();
        return;
      }
      // What comes in the place of the lost ones, and goes on beyond where the dump ends.
      const end = ours.standing()?.lastIndex ?? 0;
      write(cluster, leader, deed, { count: 200, bytes: 20 });
      const isCommitted = () => ((leader.standing()?.commitIndex ?? 0) > end + 2 ? leader : null);
      cluster.when(waitMsMax, isCommitted, () => {
        cluster.say("world", `${leader.address} has committed others up to ${end + 2}`);
        heal();
        giveUp(cluster, { ours, term, end });
      });
    },
  );
}

/** The dump comes to its end when ours holds the leader's entries. */
function giveUp(
  cluster: Cluster,
  { ours, term, end }: { readonly ours: Seat; readonly term: number; readonly end: number },
): void {
  const hasYielded = () => ((ours.standing()?.entryAt(end)?.term ?? 0) > term ? ours : null);
  cluster.when(storyMsMax, hasYielded, () => {
    cluster.say("world", `${ours.address} has given up ${end}/${term}`);
    cluster.timeline.after(20, () => {
      ours.disk.faults.holdsDumps = false;
      cluster.quietUntilMs = cluster.timeline.nowMs + 2_000;
    });
  });
}
