import type { Entry } from "./entry.js";

/**
 * An entry whose command lies among others in one piece of memory. A view of it takes twice as much as all the
 * rest of an entry, so one is made when it is asked for: a log of a hundred thousand entries is read at a start,
 * applied, and then kept for whoever may lack some of it.
 */
export class StoredEntry implements Entry {
  readonly index: number;
  readonly term: number;
  readonly #bytes: Uint8Array;
  readonly #start: number;
  readonly #length: number;

  /** @param bytes Must not change any more. */
  constructor(
    place: { readonly index: number; readonly term: number },
    bytes: Uint8Array,
    command: Span,
  ) {
    this.index = place.index;
    this.term = place.term;
    this.#bytes = bytes;
    this.#start = command.start;
    this.#length = command.length;
  }

  /** The same view as before where this entry was the last to be asked. */
  get command(): Uint8Array {
    if (lastAsked === this) return lastView;
    const { buffer, byteOffset } = this.#bytes;
    lastView = new Uint8Array(buffer, byteOffset + this.#start, this.#length);
    lastAsked = this;
    return lastView;
  }

  get commandBytes(): number {
    return this.#length;
  }
}

interface Span {
  readonly start: number;
  readonly length: number;
}

let lastAsked: StoredEntry | null = null;
let lastView: Uint8Array = new Uint8Array(0);

/** Length of the command, for which no view of it is made. */
export function commandBytes(entry: Entry): number {
  return entry instanceof StoredEntry ? entry.commandBytes : entry.command.length;
}

/** Whether both are views of the same bytes in memory. */
export function isSamePlace(a: Uint8Array, b: Uint8Array): boolean {
  return (
    a === b || (a.buffer === b.buffer && a.byteOffset === b.byteOffset && a.length === b.length)
  );
}
