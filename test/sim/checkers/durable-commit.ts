import type { History } from "../history.js";
import { Violation } from "../violation.js";
import type { Checker, MemberView } from "./checker.js";

/**
 * A start takes the entries up to the stored commit index for committed: so at any moment those that a loss
 * of power would leave have to be.
 */
export class DurableCommit implements Checker {
  readonly name = "durable-commit";
  readonly #history: History;
  readonly #looked = new Map<string, { commitIndex: number; terms: readonly number[] }>();

  constructor(history: History) {
    this.#history = history;
  }

  step({ address, durable }: MemberView): void {
    const { commitIndex } = durable.meta();
    const { first, terms } = durable.journal();
    const looked = this.#looked.get(address);
    if (looked?.commitIndex === commitIndex && looked.terms === terms) return;
    this.#looked.set(address, { commitIndex, terms });
    for (let index = Math.min(commitIndex, first + terms.length - 1); index >= first; index -= 1) {
      const term = terms[index - first];
      const due = this.#history.at(index)?.entry.term;
      if (term === due) continue;
      throw new Violation(
        this.name,
        `${address} has stored commit index ${commitIndex}, and its disk holds ${index} of term ` +
          `${term}, which was committed ${due === undefined ? "by nobody" : `with term ${due}`}`,
      );
    }
  }
}
