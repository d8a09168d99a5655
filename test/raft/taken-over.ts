import type { Entry } from "../../protocol/log/entry.js";
import type { Effect } from "../../src/raft/types.js";
import { floorOf } from "../../src/storage/recovery.js";
import { SimCluster, type SimMember } from "./sim-cluster.js";
import { entry } from "./solo.js";

/**
 * Terms of the entries from index 1 on, and the commit index that was stored. Entries before `dumped` are in the
 * dump, and that one is its last.
 */
export type Log = readonly [terms: readonly number[], commitIndex: number, dumped?: number];

export const ids = ["a:1", "b:1", "c:1"];

/** Three Quorate members that start on the files of members of 0.3.15, or of later ones. */
export class TakenOver extends SimCluster {
  /** @param away Who is not started yet. */
  constructor(seed: number, logs: readonly Log[], away: readonly string[] = []) {
    super({ seed, members: ids });
    for (const id of ids) this.crash(id);
    for (const [i, log] of logs.entries()) {
      const id = ids[i] ?? "";
      this.member(id).disk = diskOf(id, log);
    }
    for (const id of ids) if (!away.includes(id)) this.start(id);
  }

  /** They have committed different entries before: what is applied differs, and some of it goes. */
  protected override performOne(member: SimMember, effect: Effect): void {
    if (effect.kind === "rebuild") member.applied = [...effect.entries];
    else if (effect.kind !== "apply") super.performOne(member, effect);
    else {
      const index = effect.entries.at(-1)?.index ?? 0;
      this.later.push(() => this.step(member.id, { kind: "applied", index }));
    }
  }

  /** The leader's log. */
  terms(): number[] | null {
    return this.log(this.leader())?.map(({ term }) => term) ?? null;
  }

  log(id: string | null): readonly Entry[] | null {
    const log = id === null ? null : this.member(id).core?.state.log;
    return log?.slice(1, log.lastIndex) ?? null;
  }
}

/** Commands tell whose they are where terms above 5 were led by that member alone. */
function diskOf(id: string, [terms, commitIndex, dumped]: Log): SimMember["disk"] {
  const all = terms.map((term, at) =>
    entry(at + 1, term, term > 5 ? `x${at + 1}.${term}.${id}` : undefined),
  );
  const term = Math.max(...terms);
  const last = dumped === undefined ? undefined : all[dumped - 1];
  const previous = dumped === undefined ? undefined : all[dumped - 2];
  const dump =
    last === undefined || previous === undefined
      ? null
      : { summary: { previous, last, members: ids }, applied: all.slice(0, dumped) };
  const entries = dumped === undefined ? all : all.slice(dumped - 2);
  // What a dump has taken in says nothing of its terms.
  const known = Math.max(...entries.map((one) => one.term));
  const termFloor = floorOf(null, false, known);
  return {
    term: dumped === undefined ? term : known,
    votedFor: null,
    commitIndex,
    termFloor,
    entries,
    dump,
  };
}
