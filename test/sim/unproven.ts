import { vainElectionsText } from "../../src/raft/vain-elections.js";
import type { Cluster } from "./cluster.js";
import { Seat } from "./seat.js";
import { VanillaSeat } from "./vanilla-seat.js";

/** A member, as far as it matters here. */
export interface Stance {
  readonly address: string;
  readonly leads: boolean;
  /** It is ours and leads no more beside this one, whose log ends in a term that was led twice. */
  readonly unprovenBeside: string | null;
  /** It has lost all that it had, or never had anything. */
  readonly isEmptied: boolean;
  /** Of ours, whose elections are in vain: in which term its log ends, where that is below its highest one. */
  readonly dippedEnd: number | null;
}

/**
 * A log of ours ends as that of a member does that forgets, in a term that was led twice, and all others
 * have lost theirs: nobody can know whose entries are the right ones, and an operator is told: docs/safety.md.
 * Where one more is whole there has to be a leader.
 */
export function isUnproven(members: readonly Stance[]): boolean {
  const beside = new Set(members.flatMap(({ unprovenBeside }) => unprovenBeside ?? []));
  return (
    beside.size > 0 &&
    members.every(
      ({ address, leads, unprovenBeside, isEmptied }) =>
        !leads && (unprovenBeside !== null || beside.has(address) || isEmptied),
    )
  );
}

/**
 * Logs that members of 0.3.15 have left end in as many terms as there are members, each below its log's highest
 * one: each votes for an equal or a later end alone, and an operator is told: docs/safety.md.
 */
export function isUnelectable(members: readonly Stance[]): boolean {
  const ends = new Set(members.map(({ dippedEnd }) => dippedEnd));
  return members.every(({ leads }) => !leads) && !ends.has(null) && ends.size === members.length;
}

/** What each member is now; one that does not run has nothing to say for itself. */
export function stancesOf(cluster: Cluster): Stance[] {
  return cluster.seats.map((seat) => {
    const standing = seat.standing();
    const raft = seat instanceof Seat ? (seat.view()?.raft ?? null) : null;
    const isHollow = seat instanceof VanillaSeat && seat.isHollow;
    const isDipped = raft !== null && raft.log.lastTerm < raft.log.maxTerm;
    const hasNothing = standing?.kind === "vanilla" && standing.lastIndex <= 1;
    return {
      address: seat.address,
      leads: standing?.leads === true,
      unprovenBeside: raft?.unprovenLog?.peer ?? null,
      isEmptied: standing?.mustRefetch === true || isHollow || hasNothing,
      dippedEnd:
        raft !== null && isDipped && vainElectionsText(raft) !== null ? raft.log.lastTerm : null,
    };
  });
}
