import type { Cluster } from "./cluster.js";
import { Seat } from "./seat.js";
import type { AnySeat } from "./stage.js";

/*
 * Disks that are lost, one at a time: what a second one takes before the first is refilled is beyond what
 * any promise covers.
 */

/** Members that have lost their disk, and what they have to hold before they count again. */
const emptied = new WeakMap<AnySeat, number>();

/** The member ends, and with it its disk. Whoever calls this starts it again. @returns false where it may not. */
export function loseDisk(cluster: Cluster, seat: AnySeat): seat is Seat {
  if (!(seat instanceof Seat) || !mayLose(cluster, seat)) return false;
  const lists = [...cluster.standings()].map(({ others }) => others.length);
  if (lists.some((known) => known + 1 < cluster.size)) cluster.lostAmidRemoval = true;
  emptied.set(seat, committedBy(cluster));
  cluster.wipe(seat);
  return true;
}

/**
 * The member ends, and its journal is as it once was: a write that the disk had confirmed is gone. What is
 * left shows that, where it has to show it.
 *
 * @returns false where it may not.
 */
export function loseTail(cluster: Cluster, seat: AnySeat, journal: Buffer): seat is Seat {
  if (!(seat instanceof Seat) || !mayLose(cluster, seat)) return false;
  emptied.set(seat, committedBy(cluster));
  cluster.rollBack(seat, journal);
  return true;
}

/** Whether all that was ever lost is there again, on a disk. */
export function allWhole(cluster: Cluster): boolean {
  return cluster.seats.every(isWhole);
}

function mayLose(cluster: Cluster, seat: Seat): boolean {
  if (cluster.size < 3) return false;
  // Of a cluster that some were taken out of it may be the half.
  const known = cluster.leader()?.standing()?.others.length ?? 0;
  if (known + 1 < cluster.size) return false;
  return cluster.seats.every(
    (other) => other === seat || (isWhole(other) && hasBegun(other) && isSound(other)),
  );
}

/** A disk that has failed may have taken as much from it. */
function isSound(seat: AnySeat): boolean {
  return seat.standing()?.mustRefetch === false;
}

/** A member that no leader has ever reached may be as empty as one that has lost its disk. */
function hasBegun(seat: AnySeat): boolean {
  if (seat instanceof Seat) return seat.durable.lastIndex() > 1;
  return (seat.lastEntry()?.index ?? 1) > 1;
}

function isWhole(seat: AnySeat): boolean {
  const due = emptied.get(seat);
  if (due === undefined || !(seat instanceof Seat)) return true;
  const { mustRefetch, isBlank } = seat.durable.meta();
  if (mustRefetch || isBlank || seat.durable.lastIndex() < due) return false;
  emptied.delete(seat);
  return true;
}

function committedBy(cluster: Cluster): number {
  return Math.max(1, ...[...cluster.standings()].map(({ commitIndex }) => commitIndex));
}
