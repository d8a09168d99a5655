import { Violation } from "../violation.js";
import type { Checker, MemberView } from "./checker.js";

/** 1. At most one leader a term. */
export class ElectionSafety implements Checker {
  readonly name = "election-safety";
  readonly #leaders = new Map<number, string>();

  step({ address, raft }: MemberView): void {
    if (!raft.isLeader) return;
    const known = this.#leaders.get(raft.term);
    if (known === undefined) this.#leaders.set(raft.term, address);
    else if (known !== address) {
      throw new Violation(this.name, `${address} and ${known} both lead term ${raft.term}`);
    }
  }
}
