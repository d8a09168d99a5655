import { encodeSet } from "../../protocol/log/kv-calls.js";
import { failReason } from "../../protocol/wire/messages.js";
import type { Cluster } from "./cluster.js";
import type { Deed } from "./deeds.js";
import { loseDisk } from "./lost-disks.js";
import {
  type AnySeat,
  cut,
  endsInTime,
  leads,
  others,
  split,
  storyMsMax,
  turned,
  type Way,
} from "./stage.js";
import { Violation } from "./violation.js";

/** How long what is left of the cluster may take to commit something. */
const goesOnMsMax = 10_000;

/**
 * Of three one has lost its disk, and somebody takes out another. Where the leader agrees to that, the two that
 * are left go on without it.
 */
export function takeOutBesideEmptied(cluster: Cluster, deed: Deed): void {
  const { timeline } = cluster;
  const leader = cluster.leader();
  if (leader === null || cluster.size !== 3) return;
  const [emptied, away] = turned(others(cluster, leader), deed.other);
  if (emptied === undefined || away === undefined || !loseDisk(cluster, emptied)) return;
  cluster.quietUntilMs = timeline.nowMs + storyMsMax;
  // Before the leader sees the link end it cannot know.
  timeline.after(50, () => {
    leader.admin({ command: "remove", address: away.address }, () => {});
    timeline.after(20, () => startWithout(cluster, { leader, emptied, away }));
  });
}

interface Parts {
  readonly leader: AnySeat;
  readonly emptied: AnySeat;
  readonly away: AnySeat;
}

function startWithout(cluster: Cluster, { leader, emptied, away }: Parts): void {
  const known = leader.standing()?.others ?? [];
  const isOut = leads(leader) && !known.includes(away.address);
  emptied.start();
  if (isOut) {
    away.kill();
    mustGoOn(cluster, leader);
  } else cluster.quietUntilMs = cluster.timeline.nowMs + 1_000;
}

/** A write to this leader is acknowledged in time, if it goes on to run. */
function mustGoOn(cluster: Cluster, leader: AnySeat): void {
  const now = leader.machine.wallSec();
  const value = `${cluster.timeline.nowMs}`;
  let isDone = false;
  cluster.write(leader, encodeSet("/taken-out", { value, created: now, updated: now }), (error) => {
    isDone ||= error === failReason.success;
  });
  cluster.timeline.after(goesOnMsMax, () => {
    if (isDone) return;
    const what = `has agreed to take out a member, and commits nothing without it`;
    cluster.fail(new Violation("liveness", `${leader.address} ${what}`));
  });
}

/**
 * Of four the leader takes out one, and does not hear that the two others have taken it: for these three are
 * the cluster, and two of them a majority. The leader is started again, cut off from them together with the
 * one that it has taken out, which does not count.
 */
export function takeOutAndLead(cluster: Cluster, deed: Deed): void {
  const { timeline } = cluster;
  const leader = cluster.leader();
  if (leader?.standing()?.others.length !== 3 || cluster.size !== 4) return;
  const [out, ...rest] = turned(others(cluster, leader), deed.other);
  if (out === undefined) return;
  cluster.quietUntilMs = timeline.nowMs + storyMsMax;
  const deaf = rest.map((seat): Way => [seat, leader]);
  const hear = endsInTime(cluster, cut(cluster, deaf));
  leader.admin({ command: "remove", address: out.address }, () => {});
  timeline.after(60, () => {
    const heal = endsInTime(cluster, split(cluster, rest, { keeps: deaf }));
    // The first one is dialed by the later one.
    for (const [at, seat] of [leader, out].sort(byAddress).entries()) {
      seat.kill();
      timeline.after(30 * (at + 1), () => seat.start());
    }
    timeline.after(4_000, () => {
      hear();
      heal();
      // Started again, it asks to be let in.
      timeline.after(1_500, () => out.kill());
      timeline.after(1_600, () => out.start());
      cluster.quietUntilMs = timeline.nowMs + 3_000;
    });
  });
}

function byAddress(one: AnySeat, other: AnySeat): number {
  return one.address < other.address ? -1 : 1;
}
