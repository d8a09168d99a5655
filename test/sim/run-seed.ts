import type { GuardName } from "../../src/raft/types.js";
import { Chance } from "./chance.js";
import { Workload } from "./clients.js";
import { Cluster } from "./cluster.js";
import { carryOut, type Deed } from "./deeds.js";
import { StrictJudge } from "./judge.js";
import { MixedJudge, type MixedSum } from "./mixed-judge.js";
import { type GivenUp, makePeace } from "./peace.js";
import { type Profile, planDeeds, profiles } from "./profiles.js";
import type { SliceCount } from "./slices.js";
import { planSweepDeeds, Sweeps } from "./sweeps.js";
import { takeOver } from "./take-over.js";
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
  /** False: no recursive deletes, and nothing in slices. Else all is as it was before there were any. */
  readonly sweeps?: boolean | undefined;
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
  /** Why its members did not have to agree in the end; null: they had to. */
  readonly gaveUp: GivenUp | null;
  readonly simulatedMs: number;
  readonly slices: SliceCount;
}

export async function runSeed(options: RunOptions): Promise<Outcome> {
  const { seed, faultsMs = 25_000 } = options;
  const names = Object.keys(profiles);
  const name = options.profile ?? names[seed % names.length] ?? "all";
  const profile = profiles[name];
  if (profile === undefined) throw new Error(`no profile ${name}: there is ${names.join(", ")}`);
  const chance = new Chance(seed);
  const trace = new Trace(options.print ?? null);
  const members = chance.pick(profile.members);
  const takesOver = profile.takesOver === true;
  const isMixed = takesOver || members.some((kind) => kind !== "quorate");
  const { vanillaStays = false, hearsFirstWords, losesTerms } = profile;
  const mixed = new MixedJudge(vanillaStays, hearsFirstWords, losesTerms);
  const judge = isMixed ? mixed : new StrictJudge(profile.bounds);
  // From a chance of their own: without them a seed makes the same run as ever.
  const isUnswept = options.sweeps === false || profile.isUnswept === true;
  const sweeping = isUnswept ? null : new Chance(seed ^ 0x5eee9);
  const planned = planDeeds(profile, new Chance(seed ^ 0x5eed), faultsMs);
  const besides = sweeping === null ? [] : planSweepDeeds(profile, sweeping.fork(), faultsMs);
  const deeds = options.deeds ?? [...planned, ...besides];
  const cluster = new Cluster({
    chance,
    trace,
    judge,
    members,
    vanillaStays: profile.vanillaStays === true,
    changesMembers: profile.changesMembers === true,
    compactionEntries: profile.compactionEntries,
    compactionMs: profile.compactionMs,
    wireMs: profile.wireMs,
    bounds: profile.bounds,
    work: sweeping === null ? null : { chance: sweeping.fork(), keysPerSlice: 3 },
    ...(options.guardsOff === undefined ? {} : { guardsOff: options.guardsOff }),
  });
  if (takesOver) takeOver(cluster, new Chance(seed ^ 0x315), (kept) => mixed.keep(kept));
  const sweeps = sweeping === null ? null : new Sweeps(sweeping.fork());
  const workload = new Workload(cluster, profile, chance.fork(), sweeps);
  const { failure, gaveUp } = await play(cluster, workload, { profile, deeds, faultsMs });
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
    gaveUp,
    simulatedMs: cluster.timeline.nowMs,
    slices: cluster.slices,
  };
}

interface Plan {
  readonly profile: Profile;
  readonly deeds: readonly Deed[];
  readonly faultsMs: number;
}

type Ending = Pick<Outcome, "failure" | "gaveUp">;

async function play(cluster: Cluster, workload: Workload, plan: Plan): Promise<Ending> {
  const rejections: unknown[] = [];
  let gaveUp: GivenUp | null = null;
  const onRejection = (error: unknown) => void rejections.push(error);
  process.on("unhandledRejection", onRejection);
  try {
    for (const seat of plan.profile.takesOver === true ? [] : cluster.seats) {
      cluster.timeline.after(cluster.chance.between(0, 300), () => seat.start());
    }
    workload.start();
    for (const deed of plan.deeds) cluster.timeline.at(deed.atMs, () => carryOut(cluster, deed));
    await cluster.run(plan.faultsMs);
    workload.stop();
    const mustSweep = plan.profile.bounds !== undefined && cluster.isQuorateAlone;
    gaveUp = await makePeace(cluster, workload, mustSweep);
    cluster.end(gaveUp !== "unproven");
    if (rejections.length > 0) throw rejections[0];
    return { failure: null, gaveUp };
  } catch (error) {
    return { failure: error instanceof Error ? error : new Error(String(error)), gaveUp };
  } finally {
    process.off("unhandledRejection", onRejection);
    for (const seat of cluster.seats) seat.kill();
  }
}
