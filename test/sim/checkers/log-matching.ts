import type { Entry } from "../../../protocol/log/entry.js";
import { isSame, shown } from "../history.js";
import { Violation } from "../violation.js";
import type { Checker, MemberView } from "./checker.js";

interface Seen {
  readonly entry: Entry;
  readonly by: string;
  /** Term of the entry before it; null where that was not to be seen. */
  previousTerm: number | null;
}

/** 2. Entries of one index and term are the same everywhere, and so is all before them. */
export class LogMatching implements Checker {
  readonly name = "log-matching";
  /** By index, then by term. */
  readonly #seen: Map<number, Seen>[] = [];
  /** The log of each member as it was last looked at. */
  readonly #looked = new Map<string, { life: number; first: number; entries: readonly Entry[] }>();

  step({ address, life, raft }: MemberView): void {
    const { log } = raft;
    const before = this.#looked.get(address);
    const isKnown = before !== undefined && before.life === life;
    let index = log.lastIndex;
    const isUnchanged =
      isKnown &&
      before.first === log.firstIndex &&
      before.entries.length === log.length &&
      before.entries.at(-1) === log.at(index);
    if (isUnchanged) return;
    // From the end back to what was there before: entries stay the same objects.
    while (index >= log.firstIndex) {
      if (isKnown && before.entries[index - before.first] === log.at(index)) break;
      index -= 1;
    }
    for (let at = index + 1; at <= log.lastIndex; at += 1) this.#look(address, raft, at);
    const entries = log.slice(log.firstIndex, log.lastIndex);
    this.#looked.set(address, { life, first: log.firstIndex, entries });
  }

  #look(by: string, { log }: MemberView["raft"], index: number): void {
    const entry = log.at(index);
    const previousTerm = log.termAt(index - 1);
    this.#seen[index] ??= new Map();
    const known = this.#seen[index]?.get(entry.term);
    if (known === undefined) {
      this.#seen[index]?.set(entry.term, { entry, by, previousTerm });
      return;
    }
    if (!isSame(known.entry, entry)) {
      throw new Violation(
        this.name,
        `${by} holds ${shown(entry)}, ${known.by} ${shown(known.entry)}`,
      );
    }
    known.previousTerm ??= previousTerm;
    if (previousTerm !== null && known.previousTerm !== previousTerm) {
      throw new Violation(
        this.name,
        `before ${shown(entry)} ${by} has an entry of term ${previousTerm}, ${known.by} one of ${known.previousTerm}`,
      );
    }
  }
}
