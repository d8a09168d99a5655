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
  turned,
  waitMsMax,
  write,
} from "./stage.js";

/** The longest that it takes. */
const quietMs = 2 * storyMsMax;

/**
 * Ours leads, and is cut off with what it goes on to append. The two that forget start again, count their
 * terms from 0, and hear each other one way only until their term is ours, or the one before: what was said
 * the other way comes then, and so they lead that one, ours for the second time. They commit; then the
 * split ends.
 */
export function ledAgain(cluster: Cluster, deed: Deed): void {
  const forgetful = cluster.seats.filter((seat) => !(seat instanceof Seat));
  const [a, b] = turned(forgetful, deed.other);
  const ours = cluster.seats.find((seat) => seat instanceof Seat);
  if (a === undefined || b === undefined || ours === undefined || cluster.size !== 3) return;
  const { timeline } = cluster;
  cluster.quietUntilMs = timeline.nowMs + quietMs;
  if (!leads(ours)) {
    // Without the one that leads there are two left: as often as not it is ours that leads then.
    const away = leads(b) ? b : a;
    away.kill();
    timeline.after(waitMsMax, () => away.start());
  }
  timeline.after(waitMsMax + 1_000, () => {
    if (leads(ours)) goOnWithout(cluster, deed, { ours, a, b });
    else cluster.quietUntilMs = timeline.nowMs;
  });
}

interface Three {
  readonly ours: Seat;
  readonly a: AnySeat;
  readonly b: AnySeat;
}

function goOnWithout(cluster: Cluster, deed: Deed, { ours, a, b }: Three): void {
  const { network, timeline } = cluster;
  const term = termOf(ours);
  const heal = endsInTime(cluster, split(cluster, [ours], { keeps: [] }));
  write(cluster, ours, deed, { count: deed.other % 12, bytes: 60 });
  // The first one is dialed by the later one, which would wait for long if nobody took its call.
  for (const [at, seat] of [a, b].sort(byAddress).entries()) {
    seat.kill();
    timeline.after(50 * (at + 1), () => seat.start());
  }
  timeline.after(250, () => {
    network.block(a.address, b.address);
    const heard = endsInTime(cluster, () => network.unblock(a.address, b.address));
    const due = term - (deed.seat % 2);
    const isNext = () => (Math.max(termOf(a), termOf(b)) >= due ? true : null);
    cluster.when(storyMsMax, isNext, () => {
      heard();
      cluster.when(waitMsMax, () => [a, b].find(leads) ?? null, comesBack);
    });
  });
  const comesBack = (second: AnySeat): void => {
    const isTwice = termOf(second) === term && leads(ours) && termOf(ours) === term;
    if (isTwice) cluster.say("world", `${second.address} leads term ${term} a second time`);
    timeline.after(200 + 1_500 * deed.amount, () => {
      heal();
      timeline.after(4_000, () => {
        cluster.quietUntilMs = timeline.nowMs;
      });
    });
  };
}

function byAddress(one: AnySeat, other: AnySeat): number {
  return one.address < other.address ? -1 : 1;
}
