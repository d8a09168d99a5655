import { encodeSet } from "../../protocol/log/kv-calls.js";
import type { Cluster } from "./cluster.js";
import type { Deed } from "./deeds.js";
import type { Seat } from "./seat.js";
import type { VanillaSeat } from "./vanilla-seat.js";

/* What deeds are made of that wait for moments: who stands where, and who hears whom. */

export type AnySeat = Seat | VanillaSeat;

/** How long to wait for a moment. */
export const waitMsMax = 3_000;

/** Whatever a story has cut or stopped is mended by then. */
export const storyMsMax = 12_000;

export type Way = readonly [from: AnySeat, to: AnySeat];

/** Cuts all ways between these and the others, but for some. @returns what ends it. */
export function split(
  cluster: Cluster,
  side: readonly AnySeat[],
  { keeps }: { readonly keeps: readonly Way[] },
): () => void {
  const others = cluster.seats.filter((seat) => !side.includes(seat));
  return cut(
    cluster,
    between(side, others).filter(([from, to]) => !keeps.some(([a, b]) => a === from && b === to)),
  );
}

/** @returns what ends it. */
export function cut(cluster: Cluster, ways: readonly Way[]): () => void {
  for (const [from, to] of ways) cluster.network.block(from.address, to.address);
  return () => {
    for (const [from, to] of ways) cluster.network.unblock(from.address, to.address);
  };
}

/** All ways between two groups, there and back. */
export function between(here: readonly AnySeat[], there: readonly AnySeat[]): Way[] {
  return there.flatMap((a) =>
    here.flatMap((b): Way[] => [
      [b, a],
      [a, b],
    ]),
  );
}

export function nextLeader(cluster: Cluster, then: (leader: AnySeat) => void): void {
  const term = cluster.leader()?.standing()?.term ?? 0;
  const look = (): AnySeat | null => {
    const leader = cluster.leader();
    return leader !== null && (leader.standing()?.term ?? 0) > term ? leader : null;
  };
  cluster.when(waitMsMax, look, then);
}

export function otherLeader(
  cluster: Cluster,
  than: AnySeat,
  then: (leader: AnySeat) => void,
): void {
  cluster.when(waitMsMax, () => others(cluster, than).find(leads) ?? null, then);
}

export function leadsAbove(cluster: Cluster, seat: AnySeat, term: number, then: () => void): void {
  cluster.when(waitMsMax, () => (leads(seat) && termOf(seat) > term ? seat : null), then);
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

export function leads(seat: AnySeat): boolean {
  return seat.standing()?.leads === true;
}

export function termOf(seat: AnySeat): number {
  return seat.standing()?.term ?? 0;
}

/** Entries of clients of this member, each different from all others. */
export function write(
  cluster: Cluster,
  seat: AnySeat,
  deed: Deed,
  { count, bytes }: { readonly count: number; readonly bytes: number },
): void {
  const now = seat.machine.wallSec();
  for (let each = 0; each < count; each += 1) {
    const value = `${deed.atMs}.${bytes}.${each}:${"x".repeat(bytes)}`;
    cluster.write(seat, encodeSet(`/staged${each % 8}`, { value, created: now, updated: now }));
  }
}

/** Both ways between two members, so that there is time to act between two messages. */
export function slowLink(cluster: Cluster, a: AnySeat, b: AnySeat): () => void {
  const line = { delayMs: 40, bytesPerMs: 10_000 };
  const ways = [
    [a.address, b.address],
    [b.address, a.address],
  ] as const;
  for (const [from, to] of ways) cluster.network.slow(from, to, line);
  return () => {
    for (const [from, to] of ways) cluster.network.slow(from, to, null);
  };
}

/** @returns what ends it. */
export function slowDisk(cluster: Cluster, { disk }: Seat, slowness: number): () => void {
  disk.faults.slowness = slowness;
  return endsInTime(cluster, () => {
    disk.faults.slowness = 1;
  });
}

/** @returns what ends it, once: afterwards others may cut the same ways. */
export function endsInTime(cluster: Cluster, end: () => void): () => void {
  let isOver = false;
  const once = () => {
    if (!isOver) end();
    isOver = true;
  };
  cluster.timeline.after(storyMsMax, once);
  return once;
}
