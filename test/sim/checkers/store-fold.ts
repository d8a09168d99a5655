import { digestOf, type History } from "../history.js";
import { Violation } from "../violation.js";
import type { Checker, MemberView } from "./checker.js";

/** 7. The store is at all times the fold of the log up to what is applied. */
export class StoreIsFold implements Checker {
  readonly name = "store-is-fold";
  readonly #history: History;
  readonly #looked = new Map<string, { life: number; index: number; looks: number }>();

  constructor(history: History) {
    this.#history = history;
  }

  step(member: MemberView): void {
    const { address, life, appliedIndex } = member;
    if (appliedIndex === null) return;
    const before = this.#looked.get(address);
    if (before?.life === life && before.index === appliedIndex) return;
    const looks = before?.life === life ? before.looks + 1 : 0;
    this.#looked.set(address, { life, index: appliedIndex, looks });
    // Whatever is once wrong stays wrong: each fourth look is enough, and the first of each life.
    if (looks % 4 === 0) this.#look(member, appliedIndex);
  }

  end(members: Iterable<MemberView>): void {
    for (const member of members) {
      if (member.appliedIndex !== null) this.#look(member, member.appliedIndex);
    }
  }

  #look({ address, store }: MemberView, index: number): void {
    const due = this.#history.digestAt(index);
    if (due === undefined || digestOf(store) === due) return;
    throw new Violation(
      this.name,
      `${address}'s store is not what entries 1…${index} make: ${difference(digestOf(store), due)}`,
    );
  }
}

/** The first record in which two digests differ. */
function difference(held: string, due: string): string {
  const dueLines = due.split("\n");
  const heldLines = held.split("\n");
  const at = heldLines.findIndex((line, place) => line !== dueLines[place]);
  const place = at === -1 ? heldLines.length : at;
  return `it holds "${heldLines[place]}", due is "${dueLines[place]}"`;
}
