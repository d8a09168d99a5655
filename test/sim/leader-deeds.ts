import type { Cluster } from "./cluster.js";
import type { Deed } from "./deeds.js";
import { Seat } from "./seat.js";
import {
  type AnySeat,
  minority,
  nextLeader,
  others,
  split,
  turned,
  type Way,
  waitMsMax,
} from "./stage.js";

/*
 * Deeds around whoever leads. Most rules of raft only matter where leaders change quickly, each with
 * entries that few others hold: so these wait for a moment of that kind, and leave the rest to chance.
 */

/** Nobody stays away for longer, so that a run goes on. */
const awayMsMax = 4_000;

/** Waits for the next leader, and takes it out of its first steps; who was taken out before comes back. */
export function strike(cluster: Cluster, deed: Deed): void {
  nextLeader(cluster, (leader) => {
    cluster.timeline.after(60 * deed.amount ** 2, () => {
      const how = outs[deed.other % outs.length] ?? isolated;
      cluster.say("world", `strikes ${leader.address}`);
      takeAway(cluster, how(cluster, leader, deed));
    });
  });
}

/**
 * Leadership goes to the other side of a split and back: the leader is left with one other, whose
 * answers are held back; when the others have a leader, the split ends, and that one hands leadership
 * back; then the first leader is alone with one other again, and the old answers come in.
 */
export function seeSaw(cluster: Cluster, deed: Deed): void {
  const first = cluster.leader();
  if (!(first instanceof Seat) || cluster.size < 5) return;
  const [late, next] = turned(others(cluster, first), deed.other);
  if (late === undefined || next === undefined) return;
  const { network, timeline } = cluster;
  network.block(late.address, first.address);
  const heal = split(cluster, [first, late], { keeps: [] });
  const end = (): void => {
    heal();
    network.unblock(late.address, first.address);
  };
  timeline.after(awayMsMax, end);
  nextLeader(cluster, (second) => {
    if (!(second instanceof Seat) || second === first || second === late) return;
    timeline.after(100 * deed.amount, () => {
      heal();
      network.block(late.address, first.address);
      timeline.after(20 + 80 * deed.amount, () => {
        second.admin({ command: "transfer", address: first.address }, () => {});
        nextLeader(cluster, (third) => {
          if (third !== first) return;
          cluster.say("world", `${first.address} leads again`);
          const again = split(cluster, [first, next], { keeps: [[late, first]] });
          timeline.after(50 * deed.amount, () => network.unblock(late.address, first.address));
          timeline.after(500 + deed.forMs, again);
        });
      });
    });
  });
}

/** An administrator at the smaller side of a split takes out everybody who cannot be reached. */
export function removeOthers(cluster: Cluster, deed: Deed): void {
  const leader = cluster.leader();
  if (!(leader instanceof Seat)) return;
  const all = turned(others(cluster, leader), deed.other);
  const side = [leader, ...all.slice(0, minority(cluster) - 1)];
  const gone = all.filter((seat) => !side.includes(seat));
  const heal = split(cluster, side, { keeps: [] });
  for (const [turn, { address }] of [...gone, ...gone].entries()) {
    cluster.timeline.after(5 + 30 * turn, () =>
      leader.admin({ command: "remove", address }, () => {}),
    );
  }
  cluster.timeline.after(300 + deed.forMs, () => {
    heal();
    for (const seat of gone) {
      if (!(seat instanceof Seat) && cluster.vanillaStays) continue;
      // Whoever was taken out and comes back asks to be let in.
      cluster.timeline.after(1_000, () => seat.kill());
      cluster.timeline.after(1_300, () => seat.start());
    }
  });
}

/** Waits until a member cuts its log, on a disk that becomes slow just then, and ends it before that is done. */
export function stopAtCut(cluster: Cluster, deed: Deed): void {
  const ends = new Map<Seat, { index: number; term: number | null }>();
  const cut = (): Seat | null => {
    for (const seat of cluster.seats) {
      const log = seat instanceof Seat ? seat.view()?.raft.log : undefined;
      if (!(seat instanceof Seat) || log === undefined) continue;
      const end = ends.get(seat);
      ends.set(seat, { index: log.lastIndex, term: log.lastTerm });
      const isCut = end !== undefined && log.holds(end.index - 1) && !log.holds(end.index);
      const isReplaced =
        end !== undefined && log.holds(end.index) && log.termAt(end.index) !== end.term;
      if (isCut || isReplaced) return seat;
    }
    return null;
  };
  cluster.when(waitMsMax, cut, (seat) => {
    const slowness = 5 + 300 * deed.amount ** 2;
    seat.disk.faults.slowness = slowness;
    cluster.timeline.after(slowness * 4 * ((deed.other % 100) / 100), () => {
      cluster.say("world", `stops ${seat.address} while it cuts its log`);
      if (deed.other % 5 === 0) seat.kill();
      else seat.losePower();
      seat.disk.faults.slowness = 1;
      cluster.timeline.after(deed.forMs, () => seat.start());
    });
  });
}

/**
 * A member is cut off with what it holds; the others are started again, go on without it, and then it
 * is back. Members that forget their term go on at a lower one.
 */
export function leaveBehind(cluster: Cluster, deed: Deed): void {
  const leader = cluster.leader();
  const seat =
    deed.seat % 2 === 0 && leader !== null ? leader : cluster.seats[deed.seat % cluster.size];
  if (seat === undefined) return;
  const { timeline } = cluster;
  const heal = split(cluster, [seat], { keeps: [] });
  timeline.after(700 * deed.amount, () => {
    for (const other of others(cluster, seat)) {
      if (!(other instanceof Seat) && cluster.vanillaStays) continue;
      other.kill();
      timeline.after(100, () => other.start());
    }
    if (deed.other % 3 === 0) seat.kill();
  });
  timeline.after(2_500 + deed.forMs, () => {
    heal();
    seat.start();
    // One of the others is away just then: whoever is back may be needed.
    const [away] = turned(others(cluster, seat), deed.other);
    if (away !== undefined && deed.other % 2 === 0) takeAway(cluster, killed(cluster, away, deed));
  });
}

type Out = (cluster: Cluster, seat: AnySeat, deed: Deed) => () => void;

const killed: Out = (cluster, seat) => {
  if (!(seat instanceof Seat) && cluster.vanillaStays) return () => {};
  seat.kill();
  return () => seat.start();
};
const dark: Out = (cluster, seat) => {
  if (!(seat instanceof Seat) && cluster.vanillaStays) return () => {};
  seat.losePower();
  return () => seat.start();
};
const isolated: Out = (cluster, seat) => split(cluster, [seat], { keeps: [] });
/** It reaches one other, and hears it. */
const withOne: Out = (cluster, seat, deed) => {
  const [one = seat] = turned(others(cluster, seat), deed.seat);
  return split(cluster, [seat], {
    keeps: [
      [seat, one],
      [one, seat],
    ],
  });
};
/** Nothing of what it says arrives, and it hears all. */
const mute: Out = (cluster, seat) =>
  split(cluster, [seat], { keeps: others(cluster, seat).map((other) => [other, seat]) });
/** One other still hears it, and it hears all. */
const muteButToOne: Out = (cluster, seat, deed) => {
  const [one = seat] = turned(others(cluster, seat), deed.seat);
  const heard = others(cluster, seat).map((other): Way => [other, seat]);
  return split(cluster, [seat], { keeps: [...heard, [seat, one]] });
};

const outs: readonly Out[] = [killed, dark, isolated, withOne, mute, muteButToOne];

/** As many are away as the others can do without: the one that has been away longest comes back. */
function takeAway(cluster: Cluster, back: () => void): void {
  cluster.away.push(back);
  while (cluster.away.length > minority(cluster)) cluster.away.shift()?.();
  cluster.timeline.after(awayMsMax, back);
}
