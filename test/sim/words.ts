import type { Entry } from "../../protocol/log/entry.js";
import type { PyDict, PyValue } from "../../protocol/pickle/values.js";
import { parseCommand } from "../../src/store/command.js";
import { Store } from "../../src/store/store.js";
import { digestOf, isSame } from "./history.js";
import type { Standing } from "./standing.js";

interface Word {
  readonly entry: Entry;
  readonly by: string;
}

/** Two members that have taken different entries of one index for committed. */
export interface Contradiction {
  readonly index: number;
  readonly by: readonly [string, string];
  /** Neither of them is a vanilla member. */
  readonly isOurs: boolean;
}

/**
 * What the members of a mixed cluster have said by what they did: which entries are committed. Of ours the
 * commit index says so, of vanilla ones what they have applied. They may contradict each other.
 */
export class Words {
  contradiction: Contradiction | null = null;
  /** By index; the first entry of every log is at 1. */
  readonly #words: Word[] = [];
  readonly #ours: Word[] = [];
  readonly #heardTo = new Map<string, number>();
  /** By key: at which indices somebody has taken it away, and would have, had it been there. */
  readonly #removals = new Map<PyValue, number[]>();
  /** The same of all keys that begin so. */
  readonly #sweeps: { readonly prefix: PyValue; readonly index: number }[] = [];
  #fold = new Store();
  #foldedTo = 0;

  /** A member has come to rest after an event. */
  hear({ address, kind, appliedIndex, commitIndex, firstIndex, entryAt }: Standing): void {
    const to = kind === "quorate" ? commitIndex : (appliedIndex ?? 0);
    const heard = Math.min(this.#heardTo.get(address) ?? 0, to);
    this.#heardTo.set(address, to);
    for (let index = Math.max(heard + 1, firstIndex); index <= to; index += 1) {
      const entry = entryAt(index);
      if (entry !== undefined) this.#say({ entry, by: address }, kind === "quorate");
    }
  }

  /** What a store that has applied everything up to here holds; null where nobody has shown all of that. */
  digestAt(index: number): string | null {
    if (index < this.#foldedTo) {
      this.#fold = new Store();
      this.#foldedTo = 0;
    }
    while (this.#foldedTo < index) {
      const word = this.#words[this.#foldedTo];
      if (word === undefined) return null;
      this.#foldedTo += 1;
      this.#fold.apply(word.entry.command, this.#foldedTo);
    }
    return digestOf(this.#fold);
  }

  /** Whoever was first to take an entry of this index for committed meant one of another term. */
  isOtherwiseSaid(index: number, term: number): boolean {
    const word = this.#words[index - 1];
    return word !== undefined && word.entry.term !== term;
  }

  /**
   * Whether a store that has applied all up to `appliedIndex` shows that this write was carried out: not where
   * another one to the same key may have covered it since, or where nobody has shown what came then.
   */
  isCarriedOut(
    { index, command }: Pick<Entry, "index" | "command">,
    store: Store,
    appliedIndex: number,
  ): boolean {
    const call = parseCommand(command);
    if (call === null || !("key" in call)) return true;
    const { key } = call;
    if (call.kind === "delete" && call.recursive) {
      return [...store.entries(String(key))].every(([, dict]) => indexOf(dict) > index);
    }
    const held = store.get(key);
    const at = held === null ? 0 : indexOf(held);
    const isOlder = at < index;
    if (call.kind === "delete") {
      const value = call.extra.get("prevValue");
      return held === null || !isOlder || (value !== undefined && held.get("value") !== value);
    }
    if (call.kind === "expire") return true;
    if (held !== null) return at === index ? isAsSet(held, command, key) : !isOlder;
    return this.#isRemovedBetween(key, index, appliedIndex);
  }

  #isRemovedBetween(key: PyValue, from: number, to: number): boolean {
    const isIn = (index: number): boolean => index > from && index <= to;
    if (this.#removals.get(key)?.some(isIn) === true) return true;
    const isSwept = this.#sweeps.some(
      ({ prefix, index }) => isIn(index) && String(key).startsWith(String(prefix)),
    );
    if (isSwept) return true;
    for (let index = from + 1; index <= to; index += 1) {
      if (this.#words[index - 1] === undefined) return true;
    }
    return false;
  }

  #say(word: Word, isOurs: boolean): void {
    const { entry } = word;
    const at = entry.index - 1;
    const known = this.#words[at];
    const ours = this.#ours[at];
    if (isOurs && ours !== undefined && !isSame(ours.entry, entry)) {
      this.contradiction = { index: entry.index, by: [ours.by, word.by], isOurs: true };
    }
    if (isOurs) this.#ours[at] ??= word;
    if (known !== undefined && isSame(known.entry, entry)) return;
    this.#noteRemoval(entry);
    if (known === undefined) this.#words[at] = word;
    else {
      this.contradiction ??= { index: entry.index, by: [known.by, word.by], isOurs: false };
    }
  }

  #noteRemoval({ command, index }: Entry): void {
    const call = parseCommand(command);
    if (call?.kind !== "delete" && call?.kind !== "expire") return;
    if (call.kind === "delete" && call.recursive) {
      this.#sweeps.push({ prefix: call.key, index });
      return;
    }
    const known = this.#removals.get(call.key);
    if (known === undefined) this.#removals.set(call.key, [index]);
    else known.push(index);
  }
}

function isAsSet(held: PyDict, command: Uint8Array, key: PyValue): boolean {
  const alone = new Store();
  alone.apply(command, 1);
  return alone.get(key)?.get("value") === held.get("value");
}

/** Of the entry that has set it. */
function indexOf(dict: PyDict): number {
  const index = dict.get("index");
  return typeof index === "number" ? index : Number.POSITIVE_INFINITY;
}
