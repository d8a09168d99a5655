import type { Committed, History } from "../history.js";
import { shown } from "../history.js";
import { Violation } from "../violation.js";
import type { Checker, MemberView } from "./checker.js";

/** 3. A committed entry is in the log of every leader of a later term. */
export class LeaderCompleteness implements Checker {
  readonly name = "leader-completeness";
  readonly #history: History;
  readonly #looked = new Set<string>();

  constructor(history: History) {
    this.#history = history;
  }

  step(member: MemberView): void {
    const { raft, address } = member;
    if (!leads(member)) return;
    const key = `${address} ${raft.term}`;
    if (this.#looked.has(key)) return;
    this.#looked.add(key);
    for (let index = raft.log.firstIndex; index <= this.#history.lastIndex; index += 1) {
      const committed = this.#history.at(index);
      if (committed !== undefined) this.#look(member, committed);
    }
  }

  committed(committed: Committed, members: Iterable<MemberView>): void {
    for (const member of members) if (leads(member)) this.#look(member, committed);
  }

  #look({ address, raft }: MemberView, { entry, by, inTerm }: Committed): void {
    if (inTerm >= raft.term || entry.index < raft.log.firstIndex) return;
    if (raft.log.termAt(entry.index) === entry.term) return;
    throw new Violation(
      this.name,
      `${address} leads term ${raft.term} without ${shown(entry)}, which ${by} knew as committed in term ${inTerm}`,
    );
  }
}

/** While it looks at its peers' logs it may yet give way. */
function leads({ raft }: MemberView): boolean {
  return raft.isLeader && raft.inquest === null;
}
