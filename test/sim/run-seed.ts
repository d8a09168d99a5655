import { failReason } from "../../protocol/wire/messages.js";
import type { GuardName } from "../../src/raft/types.js";
import { Chance } from "./chance.js";
import { Workload } from "./clients.js";
import { Cluster } from "./cluster.js";
import { carryOut, type Deed } from "./deeds.js";
import { StrictJudge } from "./judge.js";
import { MixedJudge, type MixedSum } from "./mixed-judge.js";
import { type Profile, planDeeds, profiles } from "./profiles.js";
import { Seat } from "./seat.js";
import type { AnySeat } from "./standing.js";
import { Trace } from "./trace.js";
import { Violation } from "./violation.js";

export interface RunOptions {
  readonly seed: number;
  /** By the seed where it is not said. */
  readonly profile?: string | undefined;
  /** Of faults, in simulated milliseconds; then comes peace. */
  readonly faultsMs?: number | undefined;
  /** Instead of those that the seed plans. */
  readonly deeds?: readonly Deed[] | undefined;
  readonly print?: ((line: string) => void) | undefined;
  readonly guardsOff?: ReadonlySet<GuardName> | undefined;
}

export interface Outcome {
  readonly seed: number;
  readonly profile: string;
  readonly deeds: readonly Deed[];
  readonly failure: Error | null;
  /** The promise that was broken; `crash` where it was no promise of ours. */
  readonly invariant: string | null;
  readonly hash: number;
  readonly steps: number;
  readonly acknowledged: number;
  readonly committed: number;
  /** Of a cluster with vanilla members: what they lost. */
  readonly mixed: MixedSum | null;
  readonly simulatedMs: number;
}

/** The longest that a cluster may take to agree when nothing disturbs it any more. */
const peaceMsMax = 60_000;

export async function runSeed(options: RunOptions): Promise<Outcome> {
  const { seed, faultsMs = 25_000 } = options;
  const names = Object.keys(profiles);
  const name = options.profile ?? names[seed % names.length] ?? "all";
  const profile = profiles[name];
  if (profile === undefined) throw new Error(`no profile ${name}: there is ${names.join(", ")}`);
  const chance = new Chance(seed);
  const deeds = options.deeds ?? planDeeds(profile, new Chance(seed ^ 0x5eed), faultsMs);
  const trace = new Trace(options.print ?? null);
  const members = chance.pick(profile.members);
  const isMixed = members.some((kind) => kind !== "quorate");
  const mixed = new MixedJudge(profile.vanillaStays === true);
  const judge = isMixed ? mixed : new StrictJudge();
  const cluster = new Cluster({
    chance,
    trace,
    judge,
    members,
    vanillaStays: profile.vanillaStays === true,
    compactionEntries: profile.compactionEntries,
    compactionMs: profile.compactionMs,
    wireMs: profile.wireMs,
    ...(options.guardsOff === undefined ? {} : { guardsOff: options.guardsOff }),
  });
  const workload = new Workload(cluster, profile, chance.fork());
  const failure = await play(cluster, workload, { profile, deeds, faultsMs });
  return {
    seed,
    profile: name,
    deeds,
    failure,
    invariant: failure === null ? null : failure instanceof Violation ? failure.invariant : "crash",
    hash: trace.hash,
    steps: trace.lines,
    acknowledged: judge.acknowledged,
    committed: judge.committed,
    mixed: isMixed ? mixed.sum : null,
    simulatedMs: cluster.timeline.nowMs,
  };
}

interface Plan {
  readonly profile: Profile;
  readonly deeds: readonly Deed[];
  readonly faultsMs: number;
}

async function play(cluster: Cluster, workload: Workload, plan: Plan): Promise<Error | null> {
  const rejections: unknown[] = [];
  const onRejection = (error: unknown) => void rejections.push(error);
  process.on("unhandledRejection", onRejection);
  try {
    for (const seat of cluster.seats) {
      cluster.timeline.after(cluster.chance.between(0, 300), () => seat.start());
    }
    workload.start();
    for (const deed of plan.deeds) cluster.timeline.at(deed.atMs, () => carryOut(cluster, deed));
    await cluster.run(plan.faultsMs);
    workload.stop();
    await makePeace(cluster, workload);
    cluster.end();
    if (rejections.length > 0) throw rejections[0];
    return null;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  } finally {
    process.off("unhandledRejection", onRejection);
    for (const seat of cluster.seats) seat.kill();
  }
}

const soundDisk = { isFull: false, failSyncs: 0, failWrites: 0, failReads: 0, slowness: 1 };

/** All faults end. Then every member must take a write, and all must come to agree. */
async function makePeace(cluster: Cluster, workload: Workload): Promise<void> {
  cluster.say("world", "peace");
  // What was to end later ends now.
  await cluster.run(cluster.timeline.nowMs + 3_000);
  cluster.network.heal();
  for (const seat of cluster.seats) {
    if (seat instanceof Seat) Object.assign(seat.disk.faults, soundDisk);
    seat.machine.setDrift(1);
    seat.machine.resume();
  }
  const begunMs = cluster.timeline.nowMs;
  const wrote = new Set<AnySeat>();
  for (let turn = 0; cluster.timeline.nowMs < begunMs + peaceMsMax; turn += 1) {
    for (const seat of cluster.seats) {
      seat.start();
      if (turn % 10 === 9) letIn(cluster, seat);
      if (wrote.has(seat)) continue;
      cluster.write(seat, workload.command(seat.machine.wallSec()), (error) => {
        if (error === failReason.success) wrote.add(seat);
      });
    }
    if (turn % 10 === 4) handOver(cluster, Math.floor(turn / 10));
    await cluster.run(cluster.timeline.nowMs + 500);
    const ours = cluster.seats.filter((seat) => seat instanceof Seat);
    if (ours.every((seat) => wrote.has(seat)) && isSettled(cluster)) return;
  }
  throw new Violation("liveness", `after ${peaceMsMax} ms without faults: ${stateOf(cluster)}`);
}

/** A member that was taken out and goes on running is none: started again, it asks to be let in. */
function letIn(cluster: Cluster, seat: AnySeat): void {
  const leader = cluster.leader();
  if (!(leader instanceof Seat) || leader === seat) return;
  if (leader.standing()?.others.includes(seat.address) === false) seat.kill();
}

/**
 * A member that missed the removal or the return of the one that leads does not know it as a member, as
 * with PySyncObj: it hears of it from another leader. So everybody has a turn.
 */
function handOver(cluster: Cluster, turn: number): void {
  const { address } = cluster.seats[turn % cluster.seats.length] ?? { address: null };
  const leader = cluster.leader();
  if (leader instanceof Seat) leader.admin({ command: "transfer", address }, () => {});
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
    const { lastIndex, appliedIndex } = standing;
    return lastIndex === leader.lastIndex && appliedIndex === leader.lastIndex;
  });
}

function stateOf(cluster: Cluster): string {
  return cluster.seats
    .map((seat) => {
      const standing = seat.standing();
      if (standing === null) return `${seat.address} does not run`;
      const { kind, role, term, firstIndex, lastIndex, commitIndex, appliedIndex } = standing;
      return (
        `${seat.address} ${kind} ${role} of term ${term}, log ${firstIndex}…${lastIndex}/` +
        `${standing.entryAt(lastIndex)?.term}, commit ${commitIndex}, applied ${appliedIndex}, knows ` +
        `${standing.others}${standing.mustRefetch ? ", must refetch" : ""}, ` +
        `expiring ${standing.store.expiring}`
      );
    })
    .join("; ");
}
