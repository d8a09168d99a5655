import type { Cluster } from "./cluster.js";
import type { Seat } from "./seat.js";
import type { VanillaSeat } from "./vanilla-seat.js";

/* What deeds are made of that wait for moments: who stands where, and who hears whom. */

export type AnySeat = Seat | VanillaSeat;

/** How long to wait for a moment. */
export const waitMsMax = 3_000;

export type Way = readonly [from: AnySeat, to: AnySeat];

/** Cuts all ways between these and the others, but for some. @returns what ends it. */
export function split(
  cluster: Cluster,
  side: readonly AnySeat[],
  { keeps }: { readonly keeps: readonly Way[] },
): () => void {
  const ways = cluster.seats
    .filter((seat) => !side.includes(seat))
    .flatMap((there) =>
      side.flatMap((here): Way[] => [
        [here, there],
        [there, here],
      ]),
    )
    .filter(([from, to]) => !keeps.some(([a, b]) => a === from && b === to));
  for (const [from, to] of ways) cluster.network.block(from.address, to.address);
  return () => {
    for (const [from, to] of ways) cluster.network.unblock(from.address, to.address);
  };
}

export function nextLeader(cluster: Cluster, then: (leader: AnySeat) => void): void {
  const term = cluster.leader()?.standing()?.term ?? 0;
  const look = (): AnySeat | null => {
    const leader = cluster.leader();
    return leader !== null && (leader.standing()?.term ?? 0) > term ? leader : null;
  };
  cluster.when(waitMsMax, look, then);
}

export function others(cluster: Cluster, seat: AnySeat): AnySeat[] {
  return cluster.seats.filter((other) => other !== seat);
}

/** The list from another place on, round to where it was. */
export function turned<T>(list: readonly T[], by: number): T[] {
  const from = by % Math.max(1, list.length);
  return [...list.slice(from), ...list.slice(0, from)];
}

export function minority(cluster: Cluster): number {
  return Math.max(1, Math.floor((cluster.size - 1) / 2));
}
