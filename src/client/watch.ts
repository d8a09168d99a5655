import { type PyDict, PyFloat, type PyValue } from "../../protocol/pickle/values.js";
import { type KvEntryJson, keyToText, toJson } from "../store/json-view.js";
import { keysPerSlice } from "../store/limits.js";
import type { Applied, Store } from "../store/store.js";
import { clientLimits } from "./limits.js";

/** One change of one key, as `watch` tells it. */
export interface KvChange {
  /** Whether the key has a value now, or is gone. */
  readonly kind: "set" | "delete";
  /** The key, as text where somebody stored one that is no str. */
  readonly key: string;
  /** The value as it is now; null where the key was deleted, or has expired. */
  readonly entry: KvEntryJson | null;
  /** Log index that the own copy had when it saw the change. */
  readonly index: number;
  /**
   * True: what was found different after a gap, several changes of a key in one. The client had
   * been away for longer than the leader keeps its log.
   */
  readonly afterGap: boolean;
}

/** The reader was too slow: changes would have been lost. */
export class WatchOverflowError extends Error {
  constructor() {
    super(`more than ${clientLimits.watchEventsMax} changes wait for the reader of a watch`);
    this.name = "WatchOverflowError";
  }
}

interface Reader {
  readonly resolve: (result: IteratorResult<KvChange, undefined>) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Changes of the keys with one prefix, for one reader: `for await (const change of watch)`. Leaving
 * the loop ends it. Where 100,000 changes wait for the reader it ends with
 * {@link WatchOverflowError}.
 */
export class Watch implements AsyncIterableIterator<KvChange, undefined> {
  /** What the keys that it tells of begin with. */
  readonly prefix: string;
  readonly #onEnd: (watch: Watch) => void;
  #queue: KvChange[] = [];
  #head = 0;
  #readers: Reader[] = [];
  #end: { readonly error: Error | null } | null = null;

  /** @internal */
  constructor(prefix: string, onEnd: (watch: Watch) => void) {
    this.prefix = prefix;
    this.#onEnd = onEnd;
  }

  /** For `for await`: the watch itself. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Changes in order, each once. Rejects with what ended the watch, after what came before. */
  next(): Promise<IteratorResult<KvChange, undefined>> {
    const change = this.#queue[this.#head];
    if (change !== undefined) {
      this.#head += 1;
      if (this.#head === this.#queue.length) {
        this.#queue = [];
        this.#head = 0;
      }
      return Promise.resolve({ done: false, value: change });
    }
    if (this.#end !== null) {
      const { error } = this.#end;
      this.#end = { error: null };
      return error === null
        ? Promise.resolve({ done: true, value: undefined })
        : Promise.reject(error);
    }
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
  }

  /** Ends the watch; `for await` calls it when it is left. */
  return(): Promise<IteratorResult<KvChange, undefined>> {
    this.#queue = [];
    this.#head = 0;
    this.end(null);
    return Promise.resolve({ done: true, value: undefined });
  }

  /**
   * For the client.
   *
   * @internal
   */
  push(change: KvChange): void {
    if (this.#end !== null) return;
    const reader = this.#readers.shift();
    if (reader !== undefined) {
      reader.resolve({ done: false, value: change });
    } else if (this.#queue.length - this.#head >= clientLimits.watchEventsMax) {
      this.end(new WatchOverflowError());
    } else {
      this.#queue.push(change);
    }
  }

  /**
   * For the client: no change comes any more.
   *
   * @internal
   */
  end(error: Error | null): void {
    if (this.#end !== null) return;
    this.#end = { error };
    this.#onEnd(this);
    const readers = this.#readers;
    this.#readers = [];
    for (const [at, { resolve, reject }] of readers.entries()) {
      if (at === 0 && error !== null) {
        this.#end = { error: null };
        reject(error);
      } else resolve({ done: true, value: undefined });
    }
  }
}

/** All watches of a client, and what they are told. */
export class Watches {
  readonly #watches = new Set<Watch>();

  open(prefix: string): Watch {
    const watch = new Watch(prefix, (ended) => this.#watches.delete(ended));
    this.#watches.add(watch);
    return watch;
  }

  /** What the entry at `index` has set or removed, in slices: a recursive delete may have removed every key. */
  *changed(applied: Applied, store: Store, index: number): Generator<void, void> {
    if (this.#watches.size === 0) return;
    let told = 0;
    for (const key of applied.changed) {
      if (this.#watches.size === 0) return;
      this.#tell(key, store.get(key), { index, afterGap: false });
      told += 1;
      if (told % keysPerSlice === 0) yield;
    }
  }

  /** One store has taken the other's place. */
  replaced(before: Store, after: Store, index: number): void {
    if (this.#watches.size === 0) return;
    for (const [key, value] of before.entries()) {
      const now = after.get(key);
      if (now === null || !sameEntry(value, now)) {
        this.#tell(keyToText(key), now, { index, afterGap: true });
      }
    }
    for (const [key, value] of after.entries()) {
      if (before.get(key) === null) this.#tell(keyToText(key), value, { index, afterGap: true });
    }
  }

  end(error: Error | null): void {
    for (const watch of [...this.#watches]) watch.end(error);
  }

  #tell(
    key: string,
    value: PyDict | null,
    { index, afterGap }: { readonly index: number; readonly afterGap: boolean },
  ): void {
    let change: KvChange | null = null;
    for (const watch of this.#watches) {
      if (!key.startsWith(watch.prefix)) continue;
      const entry = value === null ? null : toJson(value);
      change ??= { kind: entry === null ? "delete" : "set", key, entry, index, afterGap };
      watch.push(change);
    }
  }
}

function sameEntry(left: PyDict, right: PyDict): boolean {
  if (isPlainlySame(left, right)) return true;
  return JSON.stringify(toJson(left)) === JSON.stringify(toJson(right));
}

/** Most have not changed, and their values are texts and numbers: half of the time that the JSON takes. */
function isPlainlySame(left: PyDict, right: PyDict): boolean {
  if (left.size !== right.size) return false;
  for (const [field, value] of left) if (plain(right.get(field)) !== plain(value)) return false;
  return true;
}

function plain(value: PyValue | undefined): PyValue | undefined {
  return value instanceof PyFloat ? value.value : value;
}
