import type { Effect } from "./types.js";

interface Heard {
  readonly members: Iterable<string>;
  readonly guests: Iterable<string>;
}

/** What is to be told outside of the members: once a step, however many entries have changed them. */
export class MembersTold {
  #haveChanged = false;
  /** Of whom all was forgotten in this step. */
  readonly #parted = new Set<string>();

  changed(): void {
    this.#haveChanged = true;
  }

  parted(address: string): void {
    this.#parted.add(address);
  }

  /**
   * Who went and came back within the step is left out first: its link has to begin anew, as all that is known
   * of it.
   */
  take(heard: Heard): Effect[] {
    if (!this.#haveChanged) return [];
    this.#haveChanged = false;
    const all = { members: [...heard.members], guests: [...heard.guests] };
    const effects: Effect[] = [];
    const isBack = (address: string) => this.#parted.has(address);
    if ([...all.members, ...all.guests].some(isBack)) {
      const others = (addresses: readonly string[]) => addresses.filter((one) => !isBack(one));
      effects.push({
        ...{ kind: "members", members: others(all.members), guests: others(all.guests) },
      });
    }
    this.#parted.clear();
    effects.push({ kind: "members", ...all });
    return effects;
  }
}
