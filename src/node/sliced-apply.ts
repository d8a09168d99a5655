import type { Entry } from "../../protocol/log/entry.js";
import type { ApplyOutcome } from "../store/outcome.js";
import type { Store } from "../store/store.js";

/**
 * Applies one entry after the other. What looks at every key, a recursive delete, is done in slices: until
 * the last one nothing has changed, and no other entry may be applied to the store.
 */
export class SlicedApply {
  /** Of the entry that is under way. */
  #steps: Generator<void, ApplyOutcome> | null = null;

  /** An entry has been begun, and nothing has changed yet. */
  get isUnderWay(): boolean {
    return this.#steps !== null;
  }

  /** @returns null where the entry is not applied yet: to be called again with the same. */
  next(store: Store, entry: Entry): ApplyOutcome | null {
    if (this.#steps === null) {
      const begun = store.begin(entry.command, entry.index);
      if (!("next" in begun)) return begun;
      this.#steps = begun;
    }
    const step = this.#steps.next();
    if (step.done !== true) return null;
    this.#steps = null;
    return step.value;
  }

  /** The entry that is under way is not to be applied, or not to that store. */
  drop(): void {
    this.#steps = null;
  }
}
