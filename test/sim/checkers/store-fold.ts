import type { Store } from "../../../src/store/store.js";
import { digestOf, type History } from "../history.js";
import { Violation } from "../violation.js";
import type { Checker, MemberView } from "./checker.js";

/** 7. The store is at all times the fold of the log up to what is applied. */
export class StoreIsFold implements Checker {
  readonly name = "store-is-fold";
  readonly #history: History;
  readonly #looked = new Map<string, { store: Store; index: number }>();

  constructor(history: History) {
    this.#history = history;
  }

  /** Each time that something was applied, or that the store is another one. */
  step(member: MemberView): void {
    const { address, store, appliedIndex: index } = member;
    if (index === null) return;
    const before = this.#looked.get(address);
    if (before?.store === store && before.index === index) return;
    this.#looked.set(address, { store, index });
    this.#look(member, index);
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
