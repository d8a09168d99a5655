import type { Entry } from "../../protocol/log/entry.js";
import { PyFloat } from "../../protocol/pickle/values.js";
import { Store } from "../../src/store/store.js";
import { Violation } from "./violation.js";

/** An entry that some member has known to be committed. */
export interface Committed {
  readonly entry: Entry;
  readonly by: string;
  /** The term of the member that first knew: it was committed in this term or before. */
  readonly inTerm: number;
}

/**
 * The one history that all members must share: each entry as the first member committed it, and what
 * the store has to hold after each.
 */
export class History {
  /** By index; the first entry of every log is at 1. */
  readonly #entries: Committed[] = [];
  readonly #digests: string[] = [];
  readonly #indexOf = new Map<string, number>();
  readonly #store = new Store();

  get lastIndex(): number {
    return this.#entries.length;
  }

  at(index: number): Committed | undefined {
    return this.#entries[index - 1];
  }

  /** What a store that has applied everything up to here holds. */
  digestAt(index: number): string | undefined {
    return this.#digests[index - 1];
  }

  /** Where a command stands; the commands of a run are all different but for no-ops. */
  indexOf(command: Uint8Array): number | undefined {
    return this.#indexOf.get(commandKey(command));
  }

  /** A member knows that this entry is committed. @returns whether nobody knew it before. */
  commit(entry: Entry, by: string, inTerm: number): boolean {
    const known = this.at(entry.index);
    if (known !== undefined) {
      if (isSame(known.entry, entry)) return false;
      throw new Violation(
        "state-machine-safety",
        `${by} commits ${shown(entry)} in term ${inTerm}, ${known.by} has committed ` +
          `${shown(known.entry)} in term ${known.inTerm}`,
      );
    }
    if (entry.index !== this.lastIndex + 1) {
      throw new Error(`${by} commits ${entry.index}, and ${this.lastIndex + 1} is unknown`);
    }
    this.#entries.push({ entry, by, inTerm });
    this.#store.apply(entry.command, entry.index);
    this.#digests.push(digestOf(this.#store));
    this.#indexOf.set(commandKey(entry.command), entry.index);
    return true;
  }
}

export function isSame(a: Entry, b: Entry): boolean {
  if (a === b) return true;
  return a.term === b.term && a.index === b.index && Buffer.compare(a.command, b.command) === 0;
}

export function shown({ index, term, command }: Entry): string {
  const text = Buffer.from(command)
    .toString("latin1")
    .replace(/[^ -~]+/g, " ");
  return `entry ${index} of term ${term} (${text.slice(0, 60).trim()})`;
}

/** Enough of a command to tell it from all others of a run. */
function commandKey(command: Uint8Array): string {
  return Buffer.from(command.buffer, command.byteOffset, Math.min(command.length, 200)).toString(
    "latin1",
  );
}

/**
 * The store's content as text. Without its order: a key that went while a dump was written stands at
 * the dump's end.
 */
export function digestOf(store: Store): string {
  const records: string[] = [];
  for (const [key, dict] of store.entries()) {
    let text = String(key);
    for (const value of dict.values()) text += ` ${shortened(value)}`;
    records.push(text);
  }
  return records.sort().join("\n");
}

function shortened(value: unknown): string {
  const text = value instanceof PyFloat ? String(value.value) : String(value);
  return text.length > 100 ? `${text.slice(0, 60)}…${text.length}` : text;
}
