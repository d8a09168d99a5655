import { eventually } from "../../interop-tests/support/eventually.js";
import type { Scene } from "../../interop-tests/support/scene.js";
import type { MemberStatus } from "../../protocol/wire/utility.js";
import type { Actor } from "./cast.js";
import type { Teller } from "./teller.js";
import { type Writing, writeWithoutPython, writeWithPatroni } from "./writing.js";

/** An election takes a second or two, a reconnect five: upstream's own connection_retry_time. */
const waitMsMax = 40_000;

const firstWrites = 50;
const writesThroughElection = 100;
/** So many of them before the leader is killed. */
const writesBeforeKill = 30;

export interface Stage {
  readonly scene: Scene;
  readonly cast: readonly Actor[];
  readonly teller: Teller;
}

/**
 * The main job: a cluster forms, writes reach all members, the leader is killed, the others go on,
 * and the killed one catches up.
 *
 * @throws Error where any of that does not happen.
 */
export async function play(stage: Stage): Promise<void> {
  const { scene, cast, teller } = stage;
  await assemble(stage);
  const hasVanilla = cast.some((actor) => actor.kind === "vanilla");
  const writing = hasVanilla ? await writeWithPatroni(scene, cast) : writeWithoutPython(cast);
  teller.say(`${writing.name} writes ${firstWrites} keys`);
  await writing.write("/demo/first/", firstWrites).done;
  await showAll(stage, "the writes are on all three:");
  await showKeys(stage, "/demo/first/", firstWrites);
  await loseLeader(stage, writing);
}

/** The vanilla members first: they are the cluster that Quorate comes to. */
async function assemble(stage: Stage): Promise<void> {
  const { cast, teller } = stage;
  const [first, second, third] = cast;
  if (first === undefined || second === undefined || third === undefined) {
    throw new Error("the story has three members");
  }
  teller.say(`starting ${first.name}`);
  teller.say(`starting ${second.name}`);
  await Promise.all([first.start(), second.start()]);
  const leader = await leaderOf([first, second]);
  teller.say(`they elected ${leader.name}`);
  teller.say(`starting ${third.name}`);
  await third.start();
  await showAll(stage, "it takes part, the three agree on a leader:");
}

async function loseLeader(stage: Stage, writing: Writing): Promise<void> {
  const { cast, teller } = stage;
  const victim = await leaderOf(cast);
  teller.say(`writing ${writesThroughElection} more keys, one after the other`);
  const run = writing.write("/demo/second/", writesThroughElection);
  await eventually("the first of them", () => run.acked.length >= writesBeforeKill);
  await victim.kill();
  teller.say(`killed the leader, ${victim.name} (SIGKILL), after ${run.acked.length} of them`);
  const rest = cast.filter((actor) => actor !== victim);
  const next = await leaderOf(rest);
  teller.say(`${next.name} was elected`);
  await run.done;
  teller.say(`all ${run.acked.length} writes are acknowledged, without the killed member`);
  await victim.start();
  teller.say(`started ${victim.name} again, on its own files`);
  await showAll(stage, "it has caught up:");
  await showKeys(stage, "/demo/second/", writesThroughElection);
}

/** Waits until all of them name the same leader, one of them. */
async function leaderOf(actors: readonly Actor[]): Promise<Actor> {
  return await eventually(
    `one leader for ${actors.map((actor) => actor.name).join(", ")}`,
    async () => {
      const statuses = await Promise.all(actors.map((actor) => actor.status()));
      const named = new Set(statuses.map((status) => status.leader));
      return named.size === 1 && actors.find((actor) => named.has(actor.address));
    },
    { timeoutMs: waitMsMax },
  );
}

/** Waits until all members agree on leader, term and applied index, and shows them. */
async function showAll({ cast, teller }: Stage, title: string): Promise<void> {
  const statuses = await eventually(
    "the same leader, term and applied index on all members",
    async () => {
      const seen = await Promise.all(cast.map((actor) => actor.status()));
      const states = seen.map((each) => `${each.leader} ${each.raftTerm} ${each.lastApplied}`);
      if (new Set(states).size > 1) throw new Error(states.join(", "));
      return seen[0]?.leader !== null && seen;
    },
    { timeoutMs: waitMsMax },
  );
  teller.say(title);
  cast.forEach((actor, n) => {
    const status = statuses[n];
    if (status !== undefined) teller.more(describe(actor, status));
  });
}

function describe(actor: Actor, status: MemberStatus): string {
  const software = actor.kind === "vanilla" ? `PySyncObj ${status.version}` : "Quorate";
  const role = status.leader === actor.address ? "leader" : "follower";
  const place = `term ${status.raftTerm}, applied index ${status.lastApplied}`;
  return `${software.padEnd(16)} ${actor.address}  ${role.padEnd(8)} ${place}`;
}

/** Reads the keys from the Quorate members' own state. */
async function showKeys({ cast, teller }: Stage, prefix: string, count: number): Promise<void> {
  for (const { quorate } of cast) {
    if (quorate === null) continue;
    const { entries } = await quorate.kv(prefix);
    const keys = Object.keys(entries);
    teller.more(`GET http://${quorate.http}/v1/kv?prefix=${prefix}: ${keys.length} keys`);
    if (keys.length !== count) {
      throw new Error(`${quorate.name} holds ${keys.length} keys under ${prefix}, not ${count}`);
    }
  }
}
