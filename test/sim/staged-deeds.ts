import type { Cluster } from "./cluster.js";
import type { Deed } from "./deeds.js";
import { Seat } from "./seat.js";
import {
  endsInTime,
  leads,
  leadsAbove,
  otherLeader,
  others,
  slowDisk,
  slowLink,
  split,
  storyMsMax,
  termOf,
  turned,
  waitMsMax,
  write,
} from "./stage.js";

/*
 * Deeds that stage a whole story with three members, each one that a rule of raft or a guard is there for.
 * Chance tells such a one too rarely. Where the cluster does not play its part the story ends early.
 */

/**
 * Figure 8 of the raft paper: a leader's entry that it alone holds; a second leader that falls with its
 * first entry; the first one again, which brings its old entry to the third member and falls before that
 * one has got more; then the second one, whose last term is the higher.
 */
export function figureEight(cluster: Cluster, deed: Deed): void {
  const first = cluster.leader();
  const [a, b] = first === null ? [] : others(cluster, first);
  if (!(first instanceof Seat) || a === undefined || b === undefined || cluster.size !== 3) return;
  const { timeline } = cluster;
  const alone = endsInTime(cluster, split(cluster, [first], { keeps: [] }));
  write(cluster, first, deed, { count: 1, bytes: 80_000 });
  const quick = endsInTime(cluster, slowLink(cluster, a, b));
  otherLeader(cluster, first, (second) => {
    const third = second === a ? b : a;
    alone();
    const away = endsInTime(cluster, split(cluster, [second], { keeps: [] }));
    quick();
    if (!(third instanceof Seat)) return;
    leadsAbove(cluster, first, termOf(second), () => {
      const { log } = first.view()?.raft ?? { log: null };
      const old = log?.slice(1, log.lastIndex).findLast(({ command }) => command.length > 70_000);
      if (old === undefined) return;
      slowDisk(cluster, third, 100);
      const isThere = () => (third.durable.termAt(old.index) === old.term ? third : null);
      cluster.when(waitMsMax, isThere, () => {
        // Its answer is under way; the next entries are not on its disk yet.
        timeline.after(5, () => {
          cluster.say("world", `${third.address} holds ${old.index}/${old.term} and no more`);
          third.losePower();
          third.disk.faults.slowness = 1;
          away();
          endsInTime(cluster, split(cluster, [first], { keeps: [] }));
          timeline.after(50, () => third.start());
        });
      });
    });
  });
}

/**
 * A member that once led has its tail replaced while its disk is busy with a compaction: the cut waits, and
 * what is told of later entries must wait as well. Then the power fails.
 */
export function cutBehindCompaction(cluster: Cluster, deed: Deed): void {
  const old = cluster.leader();
  if (!(old instanceof Seat) || cluster.size !== 3) return;
  const { network, timeline } = cluster;
  // The others hold these, and it does not hear of it: it learns later that they are committed.
  for (const other of others(cluster, old)) network.block(other.address, old.address);
  write(cluster, old, deed, { count: 4, bytes: 10 });
  timeline.after(20, () => {
    const alone = endsInTime(cluster, split(cluster, [old], { keeps: [] }));
    write(cluster, old, deed, { count: 16, bytes: 12 });
    otherLeader(cluster, old, (next) => {
      if (!(next instanceof Seat)) return;
      timeline.after(200, alone);
      const isFound = () =>
        (next.view()?.raft.progress.get(old.address)?.matchIndex ?? 0) > 0 ? old : null;
      cluster.when(waitMsMax, isFound, () => replaceSlowly(cluster, deed, old, next));
    });
  });
}

/** The leader has found where the logs meet; what it sends now cuts the member's. */
function replaceSlowly(cluster: Cluster, deed: Deed, old: Seat, next: Seat): void {
  const { network, timeline } = cluster;
  network.block(next.address, old.address);
  const open = endsInTime(cluster, () => network.unblock(next.address, old.address));
  slowDisk(cluster, old, 300);
  const compacts = () =>
    old.disk.image.find(`/data/${old.address}.journal.quorate-tmp`) === undefined ? null : old;
  cluster.when(waitMsMax, compacts, () => {
    cluster.say("world", `${old.address} compacts while its log is cut`);
    open();
    timeline.after(800 + 2_000 * deed.amount, () => {
      old.losePower();
      old.disk.faults.slowness = 1;
      timeline.after(100, () => old.start());
    });
  });
}

/**
 * A leader that is cut off piles up entries that nobody else holds. The others start again, some of them
 * forgetting their terms, and go on. Then it is back, and one of them is away.
 */
export function pileUp(cluster: Cluster, deed: Deed): void {
  const first = cluster.leader();
  if (first === null || cluster.size !== 3) return;
  const { timeline } = cluster;
  const alone = endsInTime(cluster, split(cluster, [first], { keeps: [] }));
  write(cluster, first, deed, { count: 10 + Math.floor(60 * deed.amount), bytes: 10 });
  timeline.after(100, () => {
    if (deed.other % 2 === 0) return;
    for (const other of others(cluster, first)) {
      other.kill();
      timeline.after(50, () => other.start());
    }
  });
  otherLeader(cluster, first, () => {
    timeline.after(100 + deed.forMs / 2, () => {
      const [away = first] = turned(others(cluster, first), deed.seat);
      cluster.say("world", `${first.address} is back, ${away.address} away`);
      alone();
      if (deed.amount < 0.5) away.kill();
      else endsInTime(cluster, split(cluster, [away], { keeps: [] }));
      timeline.after(4_000, () => away.start());
    });
  });
}

/**
 * A log of a high last term that ends early: of two members that forget, one has won its election after
 * many that failed, and stopped with its first entry. The other one goes on with ours at a lower term, and
 * is away when the first one comes back.
 */
export function falseHeight(cluster: Cluster, deed: Deed): void {
  const forgetful = cluster.seats.filter((seat) => !(seat instanceof Seat));
  const [a, b] = turned(forgetful, deed.other);
  if (a === undefined || b === undefined || cluster.size !== 3) return;
  const [ours = a] = cluster.seats.filter((seat) => seat !== a && seat !== b);
  const { network, timeline } = cluster;
  const alone = endsInTime(cluster, split(cluster, [ours], { keeps: [] }));
  network.block(a.address, b.address);
  timeline.after(2_000 + 1_000 * deed.amount, () => {
    const term = Math.max(termOf(a), termOf(b));
    network.unblock(a.address, b.address);
    const wins = () => [a, b].find((seat) => leads(seat) && termOf(seat) >= term) ?? null;
    cluster.when(waitMsMax, wins, (high) => {
      const low = high === a ? b : a;
      cluster.say("world", `${high.address} stops with an entry of term ${termOf(high)}`);
      high.kill();
      low.kill();
      alone();
      timeline.after(50, () => low.start());
      timeline.after(storyMsMax, () => high.start());
      otherLeader(cluster, high, () => {
        timeline.after(300 + deed.forMs / 2, () => {
          low.kill();
          high.start();
          timeline.after(4_000, () => low.start());
        });
      });
    });
  });
}

/**
 * A follower has confirmed entries, and its answers are lost with the link: the leader sends the first of them
 * again on the next one. What stands behind that has to stay.
 */
export function sentAgain(cluster: Cluster, deed: Deed): void {
  const leader = cluster.leader();
  const [seat] = leader === null ? [] : turned(others(cluster, leader), deed.other);
  if (!(leader instanceof Seat) || !(seat instanceof Seat)) return;
  const { network, timeline } = cluster;
  const end = (leader.standing()?.lastIndex ?? 0) + 3;
  network.block(seat.address, leader.address);
  const heard = endsInTime(cluster, () => network.unblock(seat.address, leader.address));
  write(cluster, leader, deed, { count: 3, bytes: 40_000 });
  const isThere = () => (seat.durable.lastIndex() >= end ? seat : null);
  cluster.when(waitMsMax, isThere, () => {
    timeline.after(20 * deed.amount, () => {
      cluster.say("world", `the answers of ${seat.address} are lost`);
      leader.loseLink(seat.address);
      heard();
    });
  });
}
