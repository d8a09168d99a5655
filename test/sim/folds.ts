import { Store } from "../../src/store/store.js";
import type { MemberView } from "./checkers/checker.js";
import { digestOf } from "./history.js";
import type { Standing } from "./standing.js";
import { Violation } from "./violation.js";
import type { Words } from "./words.js";

/* Whether the stores of a mixed cluster's Quorate members are what they should be. */

const name = "store-is-fold";

/** Members that are as far as each other; where their lists of members differ some never get so far. */
export function compareStores(standings: Iterable<Standing>): void {
  const known = new Map<number | null, { address: string; digest: string }>();
  for (const { address, kind, store, appliedIndex } of standings) {
    if (kind !== "quorate") continue;
    const digest = digestOf(store);
    const other = known.get(appliedIndex);
    if (other !== undefined && other.digest !== digest) {
      throw new Violation(name, `the stores of ${other.address},${address} differ`);
    }
    known.set(appliedIndex, { address, digest });
  }
}

/** The store of a member that holds all of its log is the fold of it. */
export function checkFold({ address, raft, store, appliedIndex }: MemberView): void {
  if (raft.log.firstIndex !== 1 || appliedIndex === null) return;
  const fold = new Store();
  for (const { command, index } of raft.log.slice(1, appliedIndex)) fold.apply(command, index);
  if (digestOf(fold) === digestOf(store)) return;
  throw new Violation(name, `${address}'s store is not what its log makes`);
}

/**
 * Every store is what all that was committed makes, whether that is still in the member's log or not.
 *
 * @returns how many could be compared.
 */
export function compareWithFold(standings: Iterable<Standing>, words: Words): number {
  const ours = [...standings].filter(({ kind }) => kind === "quorate");
  ours.sort((a, b) => (a.appliedIndex ?? 0) - (b.appliedIndex ?? 0));
  let compared = 0;
  for (const { address, store, appliedIndex } of ours) {
    const due = appliedIndex === null ? null : words.digestAt(appliedIndex);
    if (due === null) continue;
    compared += 1;
    if (digestOf(store) === due) continue;
    const what = `store is not what the committed entries 1…${appliedIndex} make`;
    throw new Violation(name, `${address}'s ${what}`);
  }
  return compared;
}
