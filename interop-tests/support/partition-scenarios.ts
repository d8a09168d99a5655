import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "./eventually.js";
import type { PartitionCluster } from "./partition-cluster.js";
import { QuorateMember } from "./quorate-member.js";

/** Who is who when a scenario begins. */
export interface Cast {
  readonly cluster: PartitionCluster;
  readonly leader: number;
  readonly followers: readonly number[];
  /** How long a link stays cut. */
  readonly holdMs: number;
  readonly random: () => number;
}

export interface PartitionScenario {
  readonly name: string;
  /** What a cluster of Quorate members may do at most. */
  readonly changesMax: number;
  readonly membersMin?: number;
  /** Nothing is cut in it. */
  readonly losesNothing?: boolean;
  run(cast: Cast): Promise<void>;
}

export interface ScenarioResult {
  readonly name: string;
  readonly changes: number;
  /** By how much the highest term went up. */
  readonly terms: number;
  readonly acked: number;
  readonly longestPauseMs: number;
  /** From the end of the trouble until all follow one leader again. */
  readonly settledMs: number;
  /** Packets lost: a scenario that loses none has shown nothing. */
  readonly lostPackets: number;
}

/** A leader that the machine stops for so long is replaced by right: min_timeout is 400 ms. */
export const stallMsMax = 250;

const slowBytesPerSec = 64 * 1024;

/** TCP closes nothing by itself in so short a time; what is cut is given up by connection_timeout. */
function first(cast: Cast): number {
  const [follower] = cast.followers;
  if (follower === undefined) throw new Error("no follower");
  return follower;
}

async function cutWhile(cast: Cast, some: readonly number[], others: readonly number[]) {
  const { net } = cast.cluster;
  await net.between(some, others, { cut: true });
  await sleep(cast.holdMs);
  await net.between(some, others, {});
}

/** A member that hears no leader must say so; a vanilla one is in the middle of a campaign. */
async function assertLeaderless(cast: Cast, host: number): Promise<void> {
  const { cluster } = cast;
  if (!(cluster.node(host) instanceof QuorateMember)) return;
  const { leader } = await cluster.view(host);
  // Another one that it does reach may lead by now: that is counted as a change of leader.
  if (leader !== cluster.node(cast.leader).selfAddr) return;
  throw new Error(`host ${host} says that it follows ${leader}`);
}

async function muteWhile(cast: Cast, from: readonly number[], to: readonly number[]) {
  const { net } = cast.cluster;
  const set = (cut: boolean) =>
    Promise.all(from.flatMap((a) => to.map((b) => net.direct(a, b, { cut }))));
  await set(true);
  await sleep(cast.holdMs);
  await set(false);
}

/** Cut and free again, each for 0.3 to 3 s. */
async function flap(cast: Cast, some: readonly number[], others: readonly number[]) {
  const untilMs = performance.now() + 2 * cast.holdMs;
  for (let cut = true; performance.now() < untilMs; cut = !cut) {
    await cast.cluster.net.between(some, others, { cut });
    await sleep(300 + 2_700 * cast.random());
  }
  await cast.cluster.net.between(some, others, {});
}

interface Large {
  readonly key: string;
  readonly value: string;
}

async function setLarge(cast: Cast, bytes: number): Promise<Large> {
  // The digits of a random number do not compress away.
  let value = "";
  while (value.length < bytes) value += cast.random().toString(36).slice(2);
  const large = { key: `/large-${bytes}`, value: value.slice(0, bytes) };
  const record = { value: large.value, created: 1, updated: 1 };
  // A change of leader refuses it, and is counted as one.
  await eventually("the large value is taken", async () => {
    const { error } = await cast.cluster.observer.raw("_set", [large.key, record]);
    if (error !== 0) throw new Error(`error ${error}`);
    return true;
  });
  return large;
}

/** The follower has applied it, with the slow link still slow. */
async function caughtUp(cast: Cast, host: number, { key, value }: Large): Promise<void> {
  await eventually(
    `host ${host} holds ${key}`,
    async () => (await cast.cluster.node(host).data()).entries[key]?.value === value,
    { timeoutMs: 120_000, everyMs: 500 },
  );
}

/** Of PySyncObj's member, which tells only what it has applied: more than 8 writers have under way. */
const unappliedMax = 100;

/** Where the follower's log ends: it may hold more than it has applied. */
async function logEnd(cast: Cast, host: number): Promise<number> {
  const node = cast.cluster.node(host);
  if (node instanceof QuorateMember) {
    const { lastIndex: end } = await node.httpStatus();
    if (typeof end !== "number") throw new Error(`host ${host} does not say where its log ends`);
    return end;
  }
  return (await node.data()).appliedIndex + unappliedMax;
}

/** The leader's log no longer reaches back to a follower's log that ends here. */
async function compactedPast(cast: Cast, index: number): Promise<void> {
  const leader = cast.cluster.node(cast.leader);
  if (!(leader instanceof QuorateMember)) {
    await sleep(2 * cast.holdMs);
    return;
  }
  const isDump = (line: Readonly<Record<string, unknown>>) =>
    line["message"] === "dump written" && Number(line["index"]) > index + 1;
  await eventually("a new dump", () => leader.logLines().some(isDump), { timeoutMs: 60_000 });
}

function dumpsSent(cast: Cast): number {
  const leader = cast.cluster.node(cast.leader);
  return leader.child.log().split("sending a dump").length - 1;
}

/** Its log ends before the leader's begins, and the link is slow. */
async function catchUpByDump(cast: Cast): Promise<void> {
  const { net } = cast.cluster;
  const follower = first(cast);
  const others = cast.cluster.others(follower);
  const atFirst = dumpsSent(cast);
  await net.between([follower], others, { cut: true });
  const end = await logEnd(cast, follower);
  const large = await setLarge(cast, 512 * 1024);
  await compactedPast(cast, end);
  const before = dumpsSent(cast);
  await net.between([follower], others, {});
  await net.between([follower], [cast.leader], { bytesPerSec: slowBytesPerSec });
  await caughtUp(cast, follower, large);
  const isOurs = cast.cluster.node(cast.leader) instanceof QuorateMember;
  // One may have been begun before the cut link was given up, and go on when it is whole again.
  const [inAll, since] = [dumpsSent(cast) - atFirst, dumpsSent(cast) - before];
  if (isOurs && (inAll === 0 || since > 1)) {
    throw new Error(`${inAll} dumps were sent, ${since} of them since the link was whole`);
  }
  await net.heal();
}

export const partitionScenarios: readonly PartitionScenario[] = [
  {
    name: "a follower is cut off from all, and comes back",
    changesMax: 0,
    run: (cast) => cutWhile(cast, [first(cast)], cast.cluster.others(first(cast))),
  },
  {
    name: "a follower cannot reach the leader, the others can",
    changesMax: 0,
    run: async (cast) => {
      const { net } = cast.cluster;
      await net.between([first(cast)], [cast.leader], { cut: true });
      await sleep(cast.holdMs);
      await assertLeaderless(cast, first(cast));
      await net.heal();
    },
  },
  {
    name: "one way: the leader does not reach one follower",
    changesMax: 0,
    run: (cast) => muteWhile(cast, [cast.leader], [first(cast)]),
  },
  {
    name: "one way: one follower does not reach the leader",
    changesMax: 0,
    run: (cast) => muteWhile(cast, [first(cast)], [cast.leader]),
  },
  {
    name: "one way: one follower does not reach another",
    changesMax: 0,
    run: (cast) => muteWhile(cast, [first(cast)], cast.followers.slice(1)),
  },
  {
    name: "a follower is heard by nobody",
    changesMax: 0,
    run: (cast) => muteWhile(cast, [first(cast)], cast.cluster.others(first(cast))),
  },
  {
    name: "a follower hears nobody",
    changesMax: 0,
    run: (cast) => muteWhile(cast, cast.cluster.others(first(cast)), [first(cast)]),
  },
  {
    name: "the leader is cut off from all, and comes back",
    changesMax: 1,
    run: (cast) => cutWhile(cast, [cast.leader], cast.followers),
  },
  {
    name: "the leader can send, not receive",
    changesMax: 1,
    run: (cast) => muteWhile(cast, cast.followers, [cast.leader]),
  },
  {
    name: "the leader can receive, not send",
    changesMax: 1,
    run: (cast) => muteWhile(cast, [cast.leader], cast.followers),
  },
  {
    name: "the link of the leader and one follower flaps",
    changesMax: 0,
    run: (cast) => flap(cast, [cast.leader], [first(cast)]),
  },
  {
    name: "all links of one follower flap",
    changesMax: 0,
    run: (cast) => flap(cast, [first(cast)], cast.cluster.others(first(cast))),
  },
  {
    name: "a follower's links take 1 s each way",
    changesMax: 0,
    losesNothing: true,
    run: async (cast) => {
      const slow = { delayMs: 1_000 };
      await cast.cluster.net.between([first(cast)], cast.cluster.others(first(cast)), slow);
      await sleep(cast.holdMs);
      await cast.cluster.net.heal();
    },
  },
  {
    name: "1 MiB in one entry to a follower behind 64 KiB/s",
    changesMax: 0,
    run: async (cast) => {
      const slow = { bytesPerSec: slowBytesPerSec };
      await cast.cluster.net.between([first(cast)], [cast.leader], slow);
      const large = await setLarge(cast, 1024 * 1024);
      await caughtUp(cast, first(cast), large);
      await cast.cluster.net.heal();
    },
  },
  {
    name: "a dump to a follower behind 64 KiB/s",
    changesMax: 0,
    run: catchUpByDump,
  },
  {
    name: "the leader is stopped (SIGSTOP) and goes on",
    changesMax: 1,
    losesNothing: true,
    run: async (cast) => {
      const { child } = cast.cluster.node(cast.leader);
      child.pause();
      await sleep(cast.holdMs);
      child.resume();
    },
  },
  {
    name: "two of five are cut off, the leader not among them",
    changesMax: 0,
    membersMin: 5,
    run: (cast) => {
      const [a, b, ...rest] = cast.followers;
      return cutWhile(cast, [a ?? 0, b ?? 0], [cast.leader, ...rest]);
    },
  },
  {
    name: "two of five are cut off, the leader among them",
    changesMax: 1,
    membersMin: 5,
    run: (cast) => {
      const [a, ...rest] = cast.followers;
      return cutWhile(cast, [cast.leader, a ?? 0], rest);
    },
  },
];

/** Plays a scenario on a cluster at rest and says what came of it. */
export async function play(
  cluster: PartitionCluster,
  scenario: PartitionScenario,
  options: { readonly holdMs: number; readonly random: () => number },
): Promise<ScenarioResult> {
  const leader = await cluster.agreed();
  await cluster.load.more(20);
  const before = cluster.leaderships().length;
  const termBefore = await cluster.highestTerm();
  const lostBefore = await lostPackets(cluster);
  const startedMs = performance.now();
  try {
    await scenario.run({ cluster, leader, followers: cluster.others(leader), ...options });
  } catch (error) {
    // The next scenario begins with whole links, and nothing keeps the process from its end.
    await cluster.net.heal();
    throw error;
  }
  const troubleOverMs = performance.now();
  await cluster.agreed();
  const settledMs = performance.now() - troubleOverMs;
  // What a member that comes back may still cause comes within a few election timeouts.
  await sleep(2_000);
  await cluster.agreed();
  await cluster.load.more(20);
  return {
    name: scenario.name,
    changes: cluster.leaderships().length - before,
    terms: (await cluster.highestTerm()) - termBefore,
    ...cluster.load.since(startedMs),
    settledMs,
    lostPackets: (await lostPackets(cluster)) - lostBefore,
  };
}

/**
 * Gives, when it is called to end, the longest time for which this process did not get to run: the members'
 * may be as long.
 */
export function watchStalls(): () => number {
  const everyMs = 20;
  let [last, longest] = [performance.now(), 0];
  const timer = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last - everyMs);
    last = now;
  }, everyMs);
  timer.unref();
  return () => {
    clearInterval(timer);
    return longest;
  };
}

async function lostPackets(cluster: PartitionCluster): Promise<number> {
  const counts = await cluster.net.counts();
  return counts.reduce((sum, { lost }) => sum + lost, 0);
}

/** One line of a report. */
/** More than two elections for one change of leader are no split votes. */
const splitVotesMax = 2;

/** What was not to happen to members that are all Quorate, on a machine that did not stand still. */
export function faultsOf(scenario: PartitionScenario, result: ScenarioResult): string[] {
  const { changesMax, losesNothing = false } = scenario;
  // Where an election is due, its votes may be split.
  const termsMax = changesMax === 0 ? 0 : changesMax + splitVotesMax;
  return [
    ...(result.changes > changesMax ? ["TOO MANY changes of leader"] : []),
    ...(result.terms > termsMax ? ["TOO MANY terms: an election that nobody needed"] : []),
    ...(result.lostPackets === 0 && !losesNothing ? ["NOTHING was cut"] : []),
  ];
}

export function resultLine(result: ScenarioResult): string {
  const { name, changes, terms, acked, longestPauseMs, settledMs, lostPackets } = result;
  return (
    `${name}: ${changes} changes of leader, terms +${terms}, ${acked} acknowledged, ` +
    `longest pause ${(longestPauseMs / 1000).toFixed(1)} s, ` +
    `one leader ${(settledMs / 1000).toFixed(1)} s after it, ${lostPackets} packets lost`
  );
}
