import { encodeSet } from "../../protocol/log/kv-calls.js";
import { failReason } from "../../protocol/wire/messages.js";
import type { Cluster } from "./cluster.js";
import type { Deed } from "./deeds.js";
import { Seat } from "./seat.js";
import { type AnySeat, leads, storyMsMax, termOf, turned, waitMsMax, write } from "./stage.js";

/** The longest that it takes. */
const quietMs = 2 * storyMsMax;

/** More than the clients write while the other two elect somebody. */
const lostCount = 250;

/** A vanilla member stores what it knows as committed once a second. */
const storedMs = 1_300;

interface Three {
  readonly ours: Seat;
  /** Meets ours alone in the end. */
  readonly met: AnySeat;
  /** Loses what it has confirmed, and is away in the end. */
  readonly away: AnySeat;
}

/**
 * Vanilla members that sync nothing lose with the power what they have helped to commit, go on without it in
 * a later term, and commit other entries there, fewer of them. Then one that holds the later ones is alone
 * with one that holds the earlier ones, and one of these two is ours. Neither may lead: what it lacks is
 * acknowledged, and a majority holds the later ones.
 */
export function goneOn(cluster: Cluster, deed: Deed): void {
  const vanilla = cluster.seats.filter((seat) => !(seat instanceof Seat));
  const [met, away] = turned(vanilla, deed.other);
  const ours = cluster.seats.find((seat) => seat instanceof Seat);
  if (met === undefined || away === undefined || ours === undefined || cluster.size !== 3) return;
  const { timeline } = cluster;
  cluster.quietUntilMs = timeline.nowMs + quietMs;
  const three = { ours, met, away };
  // Ours holds the earlier entries, or the later ones.
  if (deed.seat % 2 === 0) {
    commit(cluster, deed, { by: [ours, met], without: away }, () => {
      ours.kill();
      met.losePower();
      goOn(cluster, three, [met, away]);
    });
  } else {
    commit(cluster, deed, { by: [met, away], without: ours }, () => {
      met.kill();
      away.losePower();
      goOn(cluster, three, [ours, away]);
    });
  }
}

/** Two of the three commit many entries, which the third never hears of. */
function commit(
  cluster: Cluster,
  deed: Deed,
  sides: { readonly by: readonly AnySeat[]; readonly without: AnySeat },
  then: () => void,
): void {
  sides.without.kill();
  const leading = () => sides.by.find(leads) ?? null;
  cluster.when(2 * waitMsMax, leading, (leader) => {
    write(cluster, leader, deed, { count: lostCount, bytes: 30 });
    cluster.timeline.after(storedMs, then);
  });
}

/** These two elect one of them in a later term; when it has acknowledged something only `met` meets ours. */
function goOn(cluster: Cluster, three: Three, two: readonly AnySeat[]): void {
  const { timeline } = cluster;
  const { ours, met, away } = three;
  startAgain(cluster, two);
  const meet = () => {
    away.kill();
    startAgain(cluster, [ours, met]);
    timeline.after(5_000, () => {
      away.start();
      cluster.quietUntilMs = timeline.nowMs + 2_000;
    });
  };
  timeline.after(100, () => {
    const wins = () => two.find(leads) ?? null;
    cluster.when(2 * waitMsMax, wins, (leader) => {
      const index = leader.standing()?.lastIndex ?? 0;
      cluster.say("world", `${leader.address} goes on in term ${termOf(leader)} at ${index}`);
      // What ours has not stored as committed it does not know after a restart.
      const isStored = () =>
        !two.includes(ours) || ours.durable.meta().commitIndex >= index ? true : null;
      acknowledge(cluster, leader, () => cluster.when(waitMsMax, isStored, meet));
    });
  });
  timeline.after(quietMs, () => {
    for (const seat of cluster.seats) seat.start();
  });
}

function acknowledge(cluster: Cluster, leader: AnySeat, then: () => void): void {
  const now = leader.machine.wallSec();
  const value = `gone on ${cluster.timeline.nowMs}`;
  const command = encodeSet("/gone-on", { value, created: now, updated: now });
  cluster.write(leader, command, (error) => {
    // By then the other one has it as well.
    if (error === failReason.success) cluster.timeline.after(150, then);
  });
}

function startAgain(cluster: Cluster, seats: readonly AnySeat[]): void {
  // The first one is dialed by the later one, which would wait for long if nobody took its call.
  const inOrder = [...seats].sort((a, b) => (a.address < b.address ? -1 : 1));
  for (const [at, seat] of inOrder.entries()) {
    seat.kill();
    cluster.timeline.after(50 * (at + 1), () => seat.start());
  }
}
