import { type MembershipChange, membershipOf } from "../../src/raft/membership.js";
import type { Standing } from "./standing.js";
import { isMembership } from "./vanilla-members.js";

/** Whom a member takes for members, itself among them. */
export type MemberList = ReadonlySet<string>;

type Pair = readonly [MembershipChange, MembershipChange];

/**
 * A vanilla leader makes a change of the members before the one before it is committed, cut off from the
 * others as well. Then some count by a list with both changes while the rest have heard of neither; two
 * changes are enough for a majority of each list without a member in common, and either side commits
 * what the other cannot know.
 */
export class Tears {
  readonly #pairs: Pair[] = [];
  /** By term and index of its two entries. */
  readonly #seen = new Set<string>();

  /** What a leader of its own term has not committed, nobody has. */
  look(leader: Standing): void {
    if (leader.kind !== "vanilla" || !leader.leads) return;
    const open: { index: number; change: MembershipChange }[] = [];
    const from = Math.max(leader.commitIndex + 1, leader.firstIndex);
    for (let index = leader.lastIndex; index >= from; index -= 1) {
      const entry = leader.entryAt(index);
      if (entry?.term !== leader.term) break;
      const change = isMembership(entry.command) ? membershipOf(entry.command) : null;
      if (change !== null) open.push({ index, change });
    }
    for (const [at, one] of open.entries()) {
      for (const other of open.slice(at + 1)) {
        const key = `${leader.term} ${one.index} ${other.index}`;
        if (!this.#seen.has(key)) this.#pairs.push([one.change, other.change]);
        this.#seen.add(key);
      }
    }
  }

  /** Whether two such changes part these lists, so that majorities of both may share nobody. */
  part(one: MemberList, other: MemberList): boolean {
    if (!mayShareNobody(one, other)) return false;
    const isBetween = (pair: Pair, without: MemberList, within: MemberList): boolean =>
      pair.every((change) => !isIn(change, without) && isIn(change, within));
    return this.#pairs.some((pair) => isBetween(pair, one, other) || isBetween(pair, other, one));
  }
}

export function listOf({ address, others }: Standing): MemberList {
  return new Set([address, ...others]);
}

function isIn({ change, address }: MembershipChange, list: MemberList): boolean {
  return list.has(address) === (change === "add");
}

function mayShareNobody(one: MemberList, other: MemberList): boolean {
  const common = [...one].filter((member) => other.has(member)).length;
  const lacking = ({ size }: MemberList): number =>
    Math.max(0, Math.floor(size / 2) + 1 - (size - common));
  return lacking(one) + lacking(other) <= common;
}
