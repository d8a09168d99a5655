import { failReason } from "../../protocol/wire/messages.js";
import type { Workload } from "./clients.js";
import type { Cluster } from "./cluster.js";
import { Seat } from "./seat.js";
import type { DiskFaults } from "./sim-disk.js";
import type { AnySeat, Standing } from "./standing.js";
import { isUnelectable, isUnproven, stancesOf } from "./unproven.js";
import { VanillaSeat } from "./vanilla-seat.js";
import { Violation } from "./violation.js";

/** The longest that a cluster may take to agree when nothing disturbs it any more. */
const peaceMsMax = 60_000;

/** How long members that do not agree on who is one, or whose log is the right one, have to find together. */
const tornMsMax = 20_000;

const soundDisk: DiskFaults = {
  ...{ isFull: false, failSyncs: 0, failWrites: 0, failReads: 0 },
  ...{ slowness: 1, holdsDumps: false },
};

/** Why nobody has to lead in the end: then only safety is judged, and a fault of liveness would not show. */
export type GivenUp = "torn" | "unproven";

/**
 * All faults end. Then every member must take a write, and all must come to agree.
 *
 * @param mustSweep The data may be as much as is held: each has to take a recursive delete first.
 * @returns why that was given up; null where they did.
 */
export async function makePeace(
  cluster: Cluster,
  workload: Workload,
  mustSweep = false,
): Promise<GivenUp | null> {
  await endFaults(cluster);
  const begunMs = cluster.timeline.nowMs;
  const wrote = new Set<AnySeat>();
  const swept = mustSweep ? new Set<AnySeat>() : null;
  let provenMs = begunMs;
  let hopedMs = begunMs;
  for (let turn = 0; cluster.timeline.nowMs < begunMs + peaceMsMax; turn += 1) {
    for (const seat of cluster.seats) {
      administer(cluster, seat, turn);
      if (!wrote.has(seat)) write(cluster, workload, seat, { wrote, swept });
    }
    outgrow(cluster, workload);
    if (turn % 10 === 4) handOver(cluster, Math.floor(turn / 10));
    await cluster.run(cluster.timeline.nowMs + 500);
    const ours = cluster.seats.filter((seat) => seat instanceof Seat);
    if (ours.every((seat) => wrote.has(seat)) && isSettled(cluster)) return null;
    const stances = stancesOf(cluster);
    if (!isUnproven(stances) && !isUnelectable(stances)) provenMs = cluster.timeline.nowMs;
    hopedMs = freeDumpless(cluster, hopedMs);
    const why = whyGivenUp(cluster, begunMs, provenMs);
    if (why !== null) {
      cluster.say("world", `${why}: ${stateOf(cluster)}`);
      return why;
    }
  }
  throw new Violation("liveness", `after ${peaceMsMax} ms without faults: ${stateOf(cluster)}`);
}

/** @param swept Whose recursive deletes were taken: after those comes a small write. Null: they write anything. */
function write(
  cluster: Cluster,
  workload: Workload,
  seat: AnySeat & Pick<Seat, "machine">,
  { wrote, swept }: { readonly wrote: Set<AnySeat>; readonly swept: Set<AnySeat> | null },
): void {
  const nowSec = seat.machine.wallSec();
  const isFirst = swept?.has(seat) === false;
  const then = isFirst ? swept : wrote;
  const other = () => (swept === null ? workload.command(nowSec) : workload.small(nowSec));
  cluster.write(seat, isFirst ? workload.sweepAll() : other(), (error) => {
    if (error === failReason.success) then.add(seat);
  });
}

/** @returns null where they are not given up yet. */
function whyGivenUp(cluster: Cluster, begunMs: number, provenMs: number): GivenUp | null {
  const { nowMs } = cluster.timeline;
  if (nowMs > begunMs + tornMsMax && isTorn(cluster)) return "torn";
  return nowMs > provenMs + tornMsMax ? "unproven" : null;
}

/** @returns since when that may be needed once more. */
function freeDumpless(cluster: Cluster, hopedMs: number): number {
  const { nowMs } = cluster.timeline;
  const isOverdue = nowMs > hopedMs + tornMsMax;
  if (isOverdue) emptyFollowers(cluster);
  return isOverdue || !waitsForNoDump(cluster) ? nowMs : hopedMs;
}

/**
 * A vanilla leader that has lost all it had has nothing to make a dump of before it commits anything. For that it
 * needs a vanilla follower, and the two may ask and answer past each other for ever, while ours can only take a dump
 * of it: its own is in conflict with that log.
 */
function waitsForNoDump(cluster: Cluster): boolean {
  const leader = cluster.leader();
  if (!(leader instanceof VanillaSeat) || (leader.standing()?.appliedIndex ?? 0) > 1) return false;
  return cluster.seats.every((seat) =>
    seat instanceof Seat
      ? seat.view()?.raft.conflictNext === 1
      : seat === leader || seat.standing()?.role === "follower",
  );
}

/** What docs/safety.md has an administrator do then: an empty one takes all from the leader. */
function emptyFollowers(cluster: Cluster): void {
  const leader = cluster.leader();
  for (const seat of cluster.seats) {
    if (!(seat instanceof VanillaSeat) || seat === leader) continue;
    cluster.say(seat.address, "emptied by hand");
    seat.wipe();
  }
}

async function endFaults(cluster: Cluster): Promise<void> {
  cluster.say("world", "peace");
  // What was to end later ends now.
  await cluster.run(cluster.timeline.nowMs + 3_000);
  cluster.network.heal();
  for (const seat of cluster.seats) {
    if (seat instanceof Seat) Object.assign(seat.disk.faults, soundDisk);
    // Whoever is held back says that it has to be, on all members; beside ours alone nobody ever is.
    if (seat instanceof Seat && !cluster.isQuorateAlone) seat.raiseBounds();
    seat.machine.setDrift(1);
    seat.machine.resume();
  }
}

/** Does what somebody would who looks after the cluster. */
function administer(cluster: Cluster, seat: Seat | VanillaSeat, turn: number): void {
  // Nothing else helps it.
  if (seat instanceof VanillaSeat && seat.isHollow) seat.wipe();
  seat.start();
  if (turn % 10 === 9) letIn(cluster, seat);
}

/** A member that was taken out and goes on running is none: started again, it asks to be let in. */
function letIn(cluster: Cluster, seat: AnySeat): void {
  const leader = cluster.leader();
  if (leader === null || leader === seat) return;
  if (leader.standing()?.others.includes(seat.address) === false) seat.kill();
  // A vanilla member learns of no change that it has missed, and its list is asked for by the others.
  if (seat instanceof Seat || !cluster.changesMembers) return;
  if (seat.standing()?.others.length !== cluster.size - 1) seat.kill();
}

/**
 * Vanilla members that have lost all they had can lead with a log that ends before ours begins. They find
 * no entry to compare with, and ask for none, until theirs has grown as long. And 0.3.15 tells a stored
 * commit index that its log does not come to: a member of ours that refetches waits for all of that.
 */
function outgrow(cluster: Cluster, workload: Workload): void {
  const seat = cluster.leader();
  if (!(seat instanceof VanillaSeat)) return;
  const leader = seat.standing();
  const end = leader?.lastIndex ?? 0;
  const isPromised = (leader?.commitIndex ?? 0) > end;
  const isWaitedFor = [...cluster.standings()].some(
    ({ kind, firstIndex, mustRefetch }) =>
      kind === "quorate" && (firstIndex > end || (isPromised && mustRefetch)),
  );
  if (!isWaitedFor) return;
  for (let each = 0; each < 20; each += 1) {
    cluster.write(seat, workload.command(seat.machine.wallSec()));
  }
}

/**
 * A member that missed the removal or the return of the one that leads does not know it as a member, as
 * with PySyncObj: it hears of it from another leader. So everybody has a turn.
 */
function handOver(cluster: Cluster, turn: number): void {
  const { address } = cluster.seats[turn % cluster.seats.length] ?? { address: null };
  const leader = cluster.leader();
  if (leader instanceof Seat) leader.admin({ command: "transfer", address }, () => {});
  else if (cluster.changesMembers) leader?.kill();
}

/**
 * Vanilla members forget changes that they had not applied, undo some that had no effect, and believe
 * their dumps more than each other: where their lists differ, only somebody who empties one of them helps.
 * Among ours that can be where a disk is lost while a removal is not committed: docs/safety.md.
 */
function isTorn(cluster: Cluster): boolean {
  if (!cluster.changesMembers && !cluster.lostAmidRemoval) return false;
  const lists = cluster.seats.map((seat) => seat.standing()?.others.length ?? cluster.size - 1);
  return lists.some((known) => known !== cluster.size - 1);
}

function isSettled(cluster: Cluster): boolean {
  const leader = cluster.leader()?.standing() ?? null;
  if (leader === null || leader.others.length + 1 !== cluster.seats.length) return false;
  // A key whose time is over goes, whoever leads. A vanilla model expires none.
  if (leader.kind === "quorate" && leader.store.expiring > 0) return false;
  return cluster.seats.every((seat) => {
    const standing = seat.standing();
    if (standing === null || standing.mustRefetch) return false;
    // A vanilla leader and a vanilla follower may ask and answer past each other for ever.
    if (standing.kind === "vanilla" && leader.kind === "vanilla") return true;
    const { kind, lastIndex, appliedIndex } = standing;
    // What it has applied a vanilla member never takes back, whatever becomes of its log.
    const isAhead = kind === "vanilla" && (appliedIndex ?? 0) > leader.lastIndex;
    // Where members have lost data logs of one length can be different ones, until the leader has reached all.
    if (lastIndex !== leader.lastIndex || lastTermOf(standing) !== lastTermOf(leader)) return false;
    return isAhead || appliedIndex === leader.lastIndex;
  });
}

function lastTermOf({ lastIndex, entryAt }: Standing): number | undefined {
  return entryAt(lastIndex)?.term;
}

function stateOf(cluster: Cluster): string {
  return cluster.seats
    .map((seat) => {
      const standing = seat.standing();
      if (standing === null) return `${seat.address} does not run`;
      const { kind, role, term, firstIndex, lastIndex, commitIndex, appliedIndex } = standing;
      return (
        `${seat.address} ${kind} ${role} of term ${term}, log ${firstIndex}…${lastIndex}/` +
        `${lastTermOf(standing)}, commit ${commitIndex}, applied ${appliedIndex}, knows ` +
        `${standing.others}${standing.mustRefetch ? ", must refetch" : ""}, ` +
        `expiring ${standing.store.expiring}`
      );
    })
    .join("; ");
}
