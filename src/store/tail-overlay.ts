import type { Entry } from "../../protocol/log/entry.js";
import { isSamePlace } from "../../protocol/log/stored-entry.js";
import type { PyValue } from "../../protocol/pickle/values.js";
import { type Effect, evaluate, type KvState } from "./kv-rules.js";
import { costlyPrefixesMax, lookedAtMax, sweepsInTailMax } from "./limits.js";
import type { KvCall } from "./python-call.js";
import { isMarked, isStr, isTextPrefix, matchCost, prefixMatcher } from "./python-key.js";
import { keyOf, makeRecord, type StoredRecord } from "./record.js";

/** The entries of the log that are not applied yet, in order; an array of them will do. */
export interface LogTail {
  readonly length: number;
  at(position: number): Entry | undefined;
}

/** The store that the overlay lies on. */
export interface OverlaidStore extends KvState {
  /** The ids of all stored records, and perhaps of some that are none any more. */
  ids(): Iterable<string>;
  /** How many those are. */
  readonly idCount: number;
}

interface Touched {
  /** Null where the key is gone. */
  readonly record: StoredRecord | null;
  /** Log index of the last entry that touched the key. */
  readonly index: number;
}

/** A recursive delete in the tail: all keys that begin so are gone which no later entry has set. */
interface Sweep {
  readonly index: number;
  /** See matchCost. */
  readonly cost: number;
  readonly matches: (key: PyValue) => boolean;
}

/** What a leader of ours leaves at the most: see CommandJudge.delay, and refusal.ts. */
const sweepCostMax = sweepsInTailMax + costlyPrefixesMax;

/**
 * The state as it will be when the tail of the log is applied: the store's own with what the tail
 * touches on top. It is carried forward from one question to the next, so that each entry is
 * evaluated once, and what has been applied meanwhile is forgotten.
 */
export class TailOverlay implements KvState {
  readonly #store: OverlaidStore;
  readonly #parse: (command: Uint8Array) => KvCall | null;
  readonly #touched = new Map<string, Touched>();
  /** What was touched by which entry, oldest first; from `#queueHead` on. */
  #queue: { readonly id: string; readonly index: number }[] = [];
  #queueHead = 0;
  /** Oldest first. */
  #sweeps: Sweep[] = [];
  /** Of all of them. */
  #sweepCost = 0;
  /**
   * The next entry, where it would make each question too dear: neither it nor what follows is evaluated before
   * more of the tail is applied. Only a leader that is none of ours leaves so much.
   */
  #stop: { readonly command: Uint8Array; readonly cost: number } | null = null;
  /** The ids of touched keys that are no str. */
  readonly #touchedOdd = new Set<string>();
  /**
   * The last entry evaluated, which stands for all before it. Its index and term would not: what was
   * judged as if it were appended may have been refused after all, and another entry of the same
   * term then takes that index. So it is known by its command, the very bytes in the log.
   */
  #last: { readonly index: number; readonly command: Uint8Array } | null = null;

  /**
   * @param parse The call of a command, null where it is none; throws where vanilla would raise.
   */
  constructor(store: OverlaidStore, parse: (command: Uint8Array) => KvCall | null) {
    this.#store = store;
    this.#parse = parse;
  }

  /**
   * Makes the overlay stand for exactly this tail on the store as it is now.
   *
   * @param entriesMax Evaluated at most; the next call goes on behind them.
   * @returns false where the tail goes on beyond what has been evaluated, and `isStopped` does not say why.
   */
  follow(tail: LogTail, entriesMax = Number.POSITIVE_INFINITY): boolean {
    const first = tail.length === 0 ? undefined : tail.at(0);
    if (first === undefined) {
      this.#clear();
      return true;
    }
    const from = this.#evaluatedOf(tail, first.index);
    if (from > 0) this.#forgetBefore(first.index);
    else {
      const stop = this.#stop;
      this.#clear();
      // It may be the next one still: its call may be long, and is not to be looked at each time.
      this.#stop = stop;
    }
    const to = Math.min(tail.length, from + entriesMax);
    for (let position = from; position < to; position += 1) {
      const entry = tail.at(position);
      if (entry === undefined) throw new Error("a log tail is shorter than its length");
      if (!this.#isStoppedBy(entry)) this.#add(entry);
      if (this.#stop !== null) return true;
    }
    return to === tail.length;
  }

  record(id: string): StoredRecord | undefined {
    const touched = this.#touched.get(id);
    const record = touched === undefined ? this.#store.record(id) : (touched.record ?? undefined);
    if (record === undefined || this.#sweeps.length === 0) return record;
    return this.#isSwept(keyOf(id, record), touched?.index ?? 0) ? undefined : record;
  }

  get oddKeys(): number {
    let count = this.#store.oddKeys;
    for (const id of this.#touchedOdd) {
      const isThere = this.record(id) !== undefined;
      const wasThere = this.#store.record(id) !== undefined;
      count += Number(isThere) - Number(wasThere);
    }
    return count;
  }

  /** Recursive deletes in the tail. */
  get sweeps(): number {
    return this.#sweeps.length;
  }

  /** How many times as long as with one of them it takes to ask a key. */
  get sweepCost(): number {
    return this.#sweepCost;
  }

  /** The tail goes on, and is not evaluated further: what comes behind it cannot be judged yet. */
  get isStopped(): boolean {
    return this.#stop !== null;
  }

  /** @param index Of the last entry that has touched the key. */
  #isSwept(key: PyValue, index: number): boolean {
    return this.#sweeps.some((sweep) => sweep.index > index && sweep.matches(key));
  }

  /** How many of the tail's entries are evaluated already; 0 where the overlay is of another tail. */
  #evaluatedOf(tail: LogTail, firstIndex: number): number {
    const last = this.#last;
    if (last === null || last.index < firstIndex) return 0;
    const entry = tail.at(last.index - firstIndex);
    return entry?.index === last.index && isSamePlace(entry.command, last.command)
      ? last.index - firstIndex + 1
      : 0;
  }

  #add(entry: Entry): void {
    const effect = this.#effectOf(entry);
    const cost = effect === null ? 0 : this.#costOf(effect);
    if (this.#sweepCost + cost > sweepCostMax) {
      this.#stop = { command: entry.command, cost };
      return;
    }
    if (effect?.kind === "set") {
      const record = makeRecord(effect.key, effect.id, effect.dict);
      this.#touch(effect.id, record, entry.index);
    } else if (effect?.kind === "put") {
      this.#touch(effect.id, effect.record, entry.index);
    } else if (effect?.kind === "pop") {
      this.#touch(effect.id, null, entry.index);
    } else if (effect?.kind === "sweep") {
      this.#sweep(effect.prefix, entry.index);
    }
    this.#last = { index: entry.index, command: entry.command };
  }

  #isStoppedBy({ command }: Entry): boolean {
    const stop = this.#stop;
    const isSame = stop !== null && isSamePlace(stop.command, command);
    if (isSame && this.#sweepCost + stop.cost > sweepCostMax) return true;
    this.#stop = null;
    return false;
  }

  /** What each question costs more from then on. */
  #costOf(effect: Effect): number {
    if (effect.kind === "sweep") {
      if (isTextPrefix(effect.prefix)) return matchCost(effect.prefix);
      return this.#store.idCount + this.#touched.size > lookedAtMax ? Infinity : 0;
    }
    // Each of them is asked for at each recursive delete.
    const isOdd = "id" in effect && isMarked(effect.id);
    return isOdd && this.#touchedOdd.size >= sweepsInTailMax ? Infinity : 0;
  }

  /** Null where the entry changes nothing, be it that vanilla would raise. */
  #effectOf(entry: Entry): Effect | null {
    try {
      const call = this.#parse(entry.command);
      return call === null ? null : evaluate(call, this, entry.index);
    } catch {
      return null;
    }
  }

  #sweep(prefix: PyValue, index: number): void {
    if (!isTextPrefix(prefix)) this.#sweepByLook(prefix, index);
    // With a key that is no str it raises.
    else if (this.oddKeys === 0) {
      const cost = matchCost(prefix);
      this.#sweeps.push({ index, cost, matches: prefixMatcher(prefix) });
      this.#sweepCost += cost;
    }
  }

  /** A Quorate leader appends no such command: another one has. */
  #sweepByLook(prefix: PyValue, index: number): void {
    const gone: string[] = [];
    const matches = prefixMatcher(prefix);
    try {
      for (const id of new Set([...this.#store.ids(), ...this.#touched.keys()])) {
        const record = this.record(id);
        if (record !== undefined && matches(keyOf(id, record))) gone.push(id);
      }
    } catch {
      // It raises, and removes nothing.
      return;
    }
    for (const id of gone) this.#touch(id, null, index);
  }

  #touch(id: string, record: StoredRecord | null, index: number): void {
    const present = record ?? this.record(id);
    if (present !== undefined && !isStr(keyOf(id, present))) this.#touchedOdd.add(id);
    this.#touched.set(id, { record, index });
    this.#queue.push({ id, index });
  }

  #forgetBefore(firstIndex: number): void {
    const queue = this.#queue;
    for (let oldest = queue[this.#queueHead]; oldest !== undefined; ) {
      if (oldest.index >= firstIndex) break;
      if (this.#touched.get(oldest.id)?.index === oldest.index) {
        this.#touched.delete(oldest.id);
        this.#touchedOdd.delete(oldest.id);
      }
      this.#queueHead += 1;
      oldest = queue[this.#queueHead];
    }
    if (this.#sweeps.length > 0) {
      this.#sweeps = this.#sweeps.filter(({ index }) => index >= firstIndex);
      this.#sweepCost = this.#sweeps.reduce((sum, { cost }) => sum + cost, 0);
    }
    // Cutting when half is used up keeps the cost of each entry constant.
    if (this.#queueHead * 2 > queue.length) {
      this.#queue = queue.slice(this.#queueHead);
      this.#queueHead = 0;
    }
  }

  #clear(): void {
    this.#touched.clear();
    this.#queue = [];
    this.#queueHead = 0;
    this.#sweeps = [];
    this.#sweepCost = 0;
    this.#stop = null;
    this.#touchedOdd.clear();
    this.#last = null;
  }
}
