import type { Cluster } from "./cluster.js";
import { dumpAmidConflict } from "./conflict-deeds.js";
import { goneOn } from "./gone-on.js";
import { leaveBehind, removeOthers, seeSaw, stopAtCut, strike } from "./leader-deeds.js";
import { ledAgain } from "./led-again.js";
import { ledTwice } from "./led-twice.js";
import { lostDiskDeeds } from "./lost-disk-deeds.js";
import { allWhole, loseDisk } from "./lost-disks.js";
import { takeOutAndLead, takeOutBesideEmptied } from "./removal-deeds.js";
import { Seat } from "./seat.js";
import { isAmidSlices } from "./slices.js";
import { type AnySeat, waitMsMax } from "./stage.js";
import {
  cutBehindCompaction,
  falseHeight,
  figureEight,
  pileUp,
  sentAgain,
} from "./staged-deeds.js";
import type { VanillaSeat } from "./vanilla-seat.js";
import { asksForVote } from "./vote-deeds.js";

/** Something that happens to the cluster from outside. Numbers, so that one seed makes it again. */
export interface Deed {
  readonly atMs: number;
  readonly kind: DeedKind;
  /** Which member; every third stands for whoever leads. */
  readonly seat: number;
  readonly other: number;
  /** How long it lasts. */
  readonly forMs: number;
  /** Uniform in [0, 1): whatever else the deed needs to know. */
  readonly amount: number;
}

type Act = (cluster: Cluster, deed: Deed) => void;

export type DeedKind = keyof typeof acts;

const acts = {
  kill: (cluster, deed) => down(cluster, chosen(cluster, deed), deed, "kill"),
  "kill-all": (cluster, deed) => {
    for (const seat of cluster.seats) down(cluster, seat, deed, "kill");
  },
  power: (cluster, deed) => down(cluster, chosen(cluster, deed), deed, "losePower"),
  "power-all": (cluster, deed) => {
    for (const seat of cluster.seats) down(cluster, seat, deed, "losePower");
  },
  /** Stops a member directly behind a rename: most of what takes two steps lies there. */
  "stop-at-rename": (cluster, deed) => {
    const seat = chosen(cluster, deed);
    if (!(seat instanceof Seat)) return;
    let left = deed.other % 4;
    const look = () => {
      left -= 1;
      if (left >= 0) seat.disk.afterRename = look;
      else {
        const how = deed.amount < 0.5 ? "kill" : "losePower";
        cluster.timeline.after(0, () => down(cluster, seat, deed, how));
      }
    };
    look();
  },
  /** Stops one of our members between two slices of a recursive delete. */
  "stop-at-slice": (cluster, deed) => {
    const how = deed.amount < 0.5 ? "kill" : "losePower";
    const ours = cluster.seats.filter((seat) => seat instanceof Seat);
    const look = () => {
      if (cluster.timeline.nowMs < cluster.quietUntilMs) return null;
      return ours.find((seat) => isAmidSlices(seat.view())) ?? null;
    };
    cluster.when(waitMsMax, look, (seat) =>
      cluster.timeline.after(0, () => down(cluster, seat, deed, how)),
    );
  },
  stop: (cluster, deed) => {
    const seat = chosen(cluster, deed);
    if (!(seat instanceof Seat) && cluster.vanillaStays) return;
    seat.stop();
    cluster.timeline.after(deed.forMs + 500, () => seat.start());
  },
  pause: (cluster, deed) => {
    const { machine } = chosen(cluster, deed);
    machine.pause();
    cluster.timeline.after(deed.forMs, () => machine.resume());
  },
  "cut-one-way": (cluster, deed) => {
    const [from, to] = pair(cluster, deed);
    cluster.network.block(from, to);
    cluster.timeline.after(deed.forMs, () => cluster.network.unblock(from, to));
  },
  "cut-sending": (cluster, deed) => cutAll(cluster, deed, { sends: true, receives: false }),
  "cut-receiving": (cluster, deed) => cutAll(cluster, deed, { sends: false, receives: true }),
  isolate: (cluster, deed) => cutAll(cluster, deed, { sends: true, receives: true }),
  strike,
  "see-saw": seeSaw,
  "remove-others": removeOthers,
  "stop-at-cut": stopAtCut,
  "leave-behind": leaveBehind,
  "figure-eight": figureEight,
  "cut-behind-compaction": cutBehindCompaction,
  "pile-up": pileUp,
  "false-height": falseHeight,
  "asks-for-vote": asksForVote,
  "led-again": ledAgain,
  "led-twice": ledTwice,
  "gone-on": goneOn,
  "take-out-beside-emptied": takeOutBesideEmptied,
  "take-out-and-lead": takeOutAndLead,
  "dump-amid-conflict": dumpAmidConflict,
  "sent-again": sentAgain,
  "lose-link": (cluster, deed) => {
    const [, to] = pair(cluster, deed);
    chosen(cluster, deed).loseLink(to);
  },
  "slow-link": (cluster, deed) => {
    const [from, to] = pair(cluster, deed);
    cluster.network.slow(from, to, { delayMs: 20 + 1_000 * deed.amount ** 2, bytesPerMs: 200 });
    cluster.timeline.after(deed.forMs, () => cluster.network.slow(from, to, null));
  },
  drift: (cluster, deed) => chosen(cluster, deed).machine.setDrift(0.8 + 0.5 * deed.amount),
  "wall-jump": (cluster, deed) => {
    chosen(cluster, deed).machine.wallOffsetSec = 10 * deed.amount - 5;
  },
  "disk-full": (cluster, deed) => {
    const seat = chosen(cluster, deed);
    if (!(seat instanceof Seat)) return;
    const { faults } = seat.disk;
    faults.isFull = true;
    cluster.timeline.after(deed.forMs, () => {
      faults.isFull = false;
    });
  },
  "disk-slow": (cluster, deed) => {
    const seat = chosen(cluster, deed);
    if (!(seat instanceof Seat)) return;
    const { faults } = seat.disk;
    faults.slowness = 5 + 200 * deed.amount * deed.amount;
    cluster.timeline.after(deed.forMs, () => {
      faults.slowness = 1;
    });
  },
  "fail-sync": (cluster, deed) => diskFault(cluster, deed, "failSyncs"),
  "fail-write": (cluster, deed) => diskFault(cluster, deed, "failWrites"),
  "fail-read": (cluster, deed) => diskFault(cluster, deed, "failReads"),
  transfer: (cluster, deed) => {
    const [, to] = pair(cluster, deed);
    const address = deed.amount < 0.5 ? null : to;
    const leader = cluster.leader();
    if (leader instanceof Seat) leader.admin({ command: "transfer", address }, () => {});
  },
  remove: (cluster, deed) => {
    const seat = chosen(cluster, deed);
    const admin = cluster.leader();
    if (admin === null || admin === seat || !mayRemove(cluster, admin)) return;
    if (!allWhole(cluster)) cluster.lostAmidRemoval = true;
    if (deed.amount < 0.5) seat.stop();
    admin.admin({ command: "remove", address: seat.address }, () => {});
    // Whoever was taken out and comes back asks to be let in.
    cluster.timeline.after(deed.forMs, () => seat.kill());
    cluster.timeline.after(deed.forMs + 300, () => seat.start());
  },
  ...lostDiskDeeds,
  "lose-disk": (cluster, deed) => {
    const seat = chosen(cluster, deed);
    if (!loseDisk(cluster, seat)) return;
    cluster.timeline.after(deed.forMs, () => seat.start());
  },
} satisfies Record<string, Act>;

export const deedKinds = Object.keys(acts) as readonly DeedKind[];

export function carryOut(cluster: Cluster, deed: Deed): void {
  if (cluster.timeline.nowMs < cluster.quietUntilMs) return;
  cluster.say("world", `${deed.kind} ${chosen(cluster, deed).address} ${deed.forMs.toFixed(0)} ms`);
  const act: Act = acts[deed.kind];
  act(cluster, deed);
}

function chosen(cluster: Cluster, { seat }: Deed): Seat | VanillaSeat {
  const leader = seat % 3 === 0 ? cluster.leader() : null;
  if (leader !== null) return leader;
  const found = cluster.seats[seat % cluster.seats.length];
  if (found === undefined) throw new Error("a cluster without members");
  return found;
}

/** Of a cluster with vanilla members nobody takes out the last that is needed: such a one comes to no end. */
function mayRemove(cluster: Cluster, admin: AnySeat): boolean {
  if (admin instanceof Seat && cluster.isQuorateAlone) return true;
  const known = admin.standing()?.others.length ?? 0;
  return cluster.changesMembers && known + 1 > Math.max(2, Math.floor(cluster.size / 2) + 1);
}

/** The chosen member and another one. */
function pair(cluster: Cluster, deed: Deed): [from: string, to: string] {
  const seat = chosen(cluster, deed);
  const others = cluster.seats.filter((other) => other !== seat);
  const other = others[deed.other % Math.max(1, others.length)] ?? seat;
  return [seat.address, other.address];
}

function down(
  cluster: Cluster,
  seat: Seat | VanillaSeat,
  deed: Deed,
  how: "kill" | "losePower",
): void {
  if (!(seat instanceof Seat) && cluster.vanillaStays) return;
  seat[how]();
  cluster.timeline.after(deed.forMs, () => seat.start());
}

function cutAll(
  cluster: Cluster,
  deed: Deed,
  { sends, receives }: { readonly sends: boolean; readonly receives: boolean },
): void {
  const { network, timeline } = cluster;
  const { address } = chosen(cluster, deed);
  for (const other of cluster.seats) {
    if (other.address === address) continue;
    if (sends) network.block(address, other.address);
    if (receives) network.block(other.address, address);
  }
  timeline.after(deed.forMs, () => {
    for (const other of cluster.seats) {
      network.unblock(address, other.address);
      network.unblock(other.address, address);
    }
  });
}

/** One operation fails. The member may end over it, and somebody starts it again. */
function diskFault(
  cluster: Cluster,
  deed: Deed,
  fault: "failSyncs" | "failWrites" | "failReads",
): void {
  const seat = chosen(cluster, deed);
  if (!(seat instanceof Seat)) return;
  seat.disk.faults[fault] = 1;
  cluster.timeline.after(deed.forMs, () => {
    seat.disk.faults[fault] = 0;
    seat.start();
  });
}
