import { Violation } from "../violation.js";
import type { Checker, MemberView } from "./checker.js";

/**
 * 8. Commit index ≤ last index; last applied ≤ commit index; neither goes back in a life, but where one
 * that must refetch takes a dump that ends before what it has got since: it trusts nothing of its own.
 */
export class IndexOrder implements Checker {
  readonly name = "index-order";
  readonly #before = new Map<string, { life: number; commit: number; applied: number }>();

  step({ address, life, raft, appliedIndex }: MemberView): void {
    const { commitIndex: commit, lastApplied, applyingTo, log, durableIndex } = raft;
    const applied = appliedIndex ?? lastApplied;
    const inOrder =
      lastApplied <= applied &&
      applied <= applyingTo &&
      applyingTo <= commit &&
      commit <= log.lastIndex;
    if (!inOrder || durableIndex > log.lastIndex) {
      throw new Violation(
        this.name,
        `${address}: applied ${lastApplied}, ${applied}, ${applyingTo}, commit index ${commit}, last index ${log.lastIndex}, durable ${durableIndex}`,
      );
    }
    const before = this.#before.get(address);
    const goesBack = before?.life === life && (commit < before.commit || applied < before.applied);
    if (before !== undefined && goesBack && !raft.mustRefetch) {
      throw new Violation(
        this.name,
        `${address}'s commit index went from ${before.commit} to ${commit}, its store from ${before.applied} to ${applied}`,
      );
    }
    this.#before.set(address, { life, commit, applied });
  }
}
