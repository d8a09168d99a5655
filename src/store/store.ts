import { ProtocolError } from "../../protocol/errors.js";
import type { DumpData } from "../../protocol/files/dump-format.js";
import { dataKeyBytes } from "../../protocol/files/limits.js";
import { PlainItems } from "../../protocol/files/plain-items.js";
import { KeyError } from "../../protocol/pickle/py-key.js";
import type { PyDict, PyValue } from "../../protocol/pickle/values.js";
import { CommandJudge } from "./command-judge.js";
import type { Growth } from "./growth.js";
import { type Effect, evaluate } from "./kv-rules.js";
import { findKeys, LeavingKeys } from "./leaving-keys.js";
import { Lifetimes } from "./lifetimes.js";
import { keysPerSlice, restoreBytesPerStep, restoreKeysPerStep } from "./limits.js";
import { AppliedPut, AppliedRemoval, type ApplyOutcome, reasonOf, unchanged } from "./outcome.js";
import { isMarked, isStr, keyId, pyTypeName, startsWith } from "./python-key.js";
import {
  CompactRecord,
  deadlineOf,
  GeneralRecord,
  keyOf,
  makeRecord,
  type StoredRecord,
} from "./record.js";
import { SnapshotCursor, type StoreSnapshot } from "./snapshot.js";
import type { LogTail, OverlaidStore } from "./tail-overlay.js";
import { weightOf, weightSteps } from "./weight.js";

export type { Applied, ApplyOutcome, Raised } from "./outcome.js";

export interface ExpiredKey {
  readonly key: PyValue;
  readonly value: PyDict;
  readonly id: string;
  readonly record: StoredRecord;
}

/**
 * The replicated dictionary: Patroni's KVStoreTTL (patroni/dcs/raft.py) without its raft half.
 *
 * Invariant: it is the fold of the log's commands up to the last one applied (on top of the dump it
 * was restored from); nothing but `apply` changes it.
 *
 * Where vanilla raises, this store stays as it was. Vanilla itself leaves one case half done: a
 * recursive delete in a store with a key that is no str removes the str keys that come before it
 * in the dict's order, and then raises and never applies anything again.
 */
export class Store {
  readonly #records = new Map<string, StoredRecord>();
  #bytes = 0;
  #expiringBytes = 0;
  /** Position of the last insertion into `#records`. */
  #lastPosition = 0;
  #oddKeys = 0;
  readonly #lifetimes = new Lifetimes();
  /** Removed, and in `#records` still; null where there are none. */
  #leaving: LeavingKeys | null = null;
  readonly #state: OverlaidStore;
  readonly #judge: CommandJudge;
  readonly #snapshots = new Set<SnapshotCursor>();
  readonly #keysPerSlice: number;

  /** @param slice How many keys a slice of a recursive delete has. */
  constructor(slice = keysPerSlice) {
    const store = this;
    this.#keysPerSlice = slice;
    this.#state = {
      record: (id) => this.#record(id),
      ids: () => this.#records.keys(),
      get idCount() {
        return store.#records.size;
      },
      get oddKeys() {
        return store.#oddKeys;
      },
    };
    this.#judge = new CommandJudge(this.#state);
  }

  /**
   * The store of a dump's dictionary (`_KVStoreTTL__data`), each value as it stands there.
   *
   * @throws ProtocolError `dump-malformed` where a value is no dict: no KVStoreTTL holds such a one.
   */
  static fromDump(data: DumpData, slice = keysPerSlice): Store {
    const steps = Store.fromDumpSteps(data, Number.MAX_SAFE_INTEGER, slice);
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
    }
  }

  /**
   * The same in slices of about a millisecond: run it to its end, other work in between.
   *
   * @throws ProtocolError `dump-too-large` where `bytes` would be more than `bytesMax`.
   */
  static *fromDumpSteps(
    data: DumpData,
    bytesMax = Number.MAX_SAFE_INTEGER,
    slice = keysPerSlice,
  ): Generator<void, Store> {
    const store = new Store(slice);
    if (data instanceof PlainItems) {
      for (let from = 0; from < data.length; from += restoreKeysPerStep) {
        store.#takePlain(data, from, bytesMax);
        yield;
      }
      return store;
    }
    let taken = 0;
    let weighed = 0;
    for (const [key, value] of data) {
      if (!(value instanceof Map)) {
        throw new ProtocolError("dump-malformed", `a value is no dict but ${pyTypeName(value)}`);
      }
      const record = yield* store.#setSteps(key, value, bytesMax - store.#bytes);
      if (store.#bytes > bytesMax) throw tooMuch(bytesMax);
      taken += 1;
      weighed += record.weight;
      if (taken < restoreKeysPerStep && weighed < restoreBytesPerStep) continue;
      taken = 0;
      weighed = 0;
      yield;
    }
    return store;
  }

  get size(): number {
    return this.#records.size - (this.#leaving?.count ?? 0);
  }

  /** Keys that a recursive delete has removed are in memory still: see `sweep`. */
  get isSweeping(): boolean {
    return this.#leaving !== null;
  }

  /** What all of it counts for in a bound on the data: see weight.ts. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The part of it that keys with a time to live make. */
  get expiringBytes(): number {
    return this.#expiringBytes;
  }

  /** Number of keys that have a time to live. */
  get expiring(): number {
    return this.#lifetimes.size;
  }

  /** The value dict (a copy) of the key, null where there is none. */
  get(key: PyValue): PyDict | null {
    try {
      return this.#record(keyId(key))?.toDict() ?? null;
    } catch {
      // A value that Python cannot hash is no key.
      return null;
    }
  }

  /** All keys that start with the prefix (with '' all keys), in the order of their insertion. */
  *entries(prefix = ""): IterableIterator<readonly [PyValue, PyDict]> {
    for (const [id, record] of this.#records) {
      const key = keyOf(id, record);
      if (this.#leaving?.has(id, record)) continue;
      if (prefix === "" || (isStr(key) && startsWith(key, prefix))) yield [key, record.toDict()];
    }
  }

  /**
   * Applies one committed entry's command, of whatever type. Never throws for what a command holds.
   *
   * @param index The entry's log index, which becomes the `index` of a value that it sets.
   */
  apply(command: Uint8Array, index: number): ApplyOutcome {
    while (this.#leaving !== null) this.sweep();
    const begun = this.begin(command, index);
    if (!("next" in begun)) return begun;
    for (let step = begun.next(); ; step = begun.next()) {
      if (step.done !== true) continue;
      while (this.#leaving !== null) this.sweep();
      return step.value;
    }
  }

  /**
   * As `apply`, but for a command that looks at every key: that one takes so long with a million of them that
   * it is left to be done in slices. Nothing has changed before the last one, and nothing may be applied.
   * With it all is as it is to be, but there may be more to `sweep` before the next command is begun.
   */
  begin(command: Uint8Array, index: number): ApplyOutcome | Generator<void, ApplyOutcome> {
    if (this.#leaving !== null) throw new Error("the last command has left something to sweep");
    let effect: Effect;
    try {
      const call = this.#judge.take(command);
      if (call === null) return { result: null, changed: unchanged };
      effect = evaluate(call, this.#state, index);
    } catch (error) {
      const isBeyondLimits =
        (error instanceof ProtocolError && error.code === "pickle-limit") ||
        (error instanceof KeyError && error.reason === "too-large");
      return { raised: reasonOf(error), isBeyondLimits };
    }
    return effect.kind === "sweep" ? this.#removal(effect.prefix) : this.#carryOut(effect);
  }

  /**
   * Takes a slice of the keys out of memory that a recursive delete has removed. Nobody sees a difference.
   *
   * @returns true where there are more.
   */
  sweep(): boolean {
    if (this.#leaving === null) return false;
    for (const id of this.#leaving.take()) this.#take(id);
    if (this.#leaving.count === 0) this.#leaving = null;
    return this.#leaving !== null;
  }

  /** See CommandJudge, as of the seven below. */
  delay(command: Uint8Array, tail: LogTail): string | null {
    return this.#judge.delay(command, tail);
  }

  refusal(command: Uint8Array, tail: LogTail): string | null {
    return this.#judge.refusal(command, tail);
  }

  isAdmittedAtSight(command: Uint8Array, tail: LogTail): boolean {
    return this.#judge.isAdmittedAtSight(command, tail);
  }

  growthBy(command: Uint8Array, isNext = false): Growth | null {
    return this.#judge.growthBy(command, isNext);
  }

  forget(command: Uint8Array): void {
    this.#judge.forget(command);
  }

  get acceptedBytes(): number {
    return this.#judge.acceptedBytes;
  }

  lookAhead(tail: LogTail): boolean {
    return this.#judge.lookAhead(tail);
  }

  refusalAsIs(command: Uint8Array): string | null {
    return this.#judge.refusalAsIs(command);
  }

  /**
   * Tells the time, so that values can be seen to have had theirs: to be called some times a second.
   *
   * @param monotonicSec This member's monotonic clock, in seconds.
   * @param isLive Whether the cluster has taken in, since the last call, all that was applied since then.
   */
  noteTime(monotonicSec: number, isLive: boolean): void {
    this.#lifetimes.note(monotonicSec, isLive);
  }

  /**
   * The keys that a leader should expire now, `max` of them at most, again at each call until their `_expire` has
   * been applied, or they are postponed. Costs what is given, whatever the store holds and however much is due.
   *
   * Upstream (`KVStoreTTL.__expire_keys`) takes those whose `expire` its wall clock has reached. So do
   * we, but not before a value that was seen to come has lived for its ttl; and whatever the wall clock
   * says, those that have been here for all of their ttl.
   *
   * @param wallSec The leader's wall clock, seconds since 1970 with a fraction.
   * @param monotonicSec The clock that `noteTime` is given.
   */
  expired(
    wallSec: number,
    monotonicSec: number,
    max = Number.POSITIVE_INFINITY,
  ): readonly ExpiredKey[] {
    return this.#lifetimes
      .due(wallSec, monotonicSec, max)
      .filter(([record, id]) => !this.#leaving?.has(id, record))
      .map(([record, id]) => ({ key: keyOf(id, record), value: record.toDict(), id, record }));
  }

  /** What `expired` has given is not due again before these times. */
  postpone({ record }: ExpiredKey, wallSec: number, monotonicSec: number): void {
    this.#lifetimes.postpone(record, wallSec, monotonicSec);
  }

  /** An `_expire` does not remove it: it is not due any more, until it is set again. */
  leave({ id, record }: ExpiredKey): void {
    this.#lifetimes.leave(id, record);
  }

  /**
   * Begins a snapshot of the store as it is now, while `apply` goes on. Each costs memory for what
   * changes before it is read, so callers bound how many there are.
   */
  beginSnapshot(): StoreSnapshot {
    const leaving = this.#leaving;
    const isGone = (id: string, record: StoredRecord) => leaving?.has(id, record) === true;
    const cursor = new SnapshotCursor(this.#records, this.#lastPosition, isGone);
    this.#snapshots.add(cursor);
    return {
      records: cursor.records(),
      steps: cursor.steps(),
      size: this.size,
      end: () => {
        cursor.end();
        this.#snapshots.delete(cursor);
      },
    };
  }

  #record(id: string): StoredRecord | undefined {
    const record = this.#records.get(id);
    return record !== undefined && this.#leaving?.has(id, record) ? undefined : record;
  }

  *#removal(prefix: PyValue): Generator<void, ApplyOutcome> {
    try {
      const found = yield* findKeys(this.#records, prefix, this.#keysPerSlice);
      if (found.ids.length > 0) this.#leaving = new LeavingKeys(found, this.#keysPerSlice);
      this.#bytes -= found.bytes;
      this.#expiringBytes -= found.expiringBytes;
      return new AppliedRemoval(found.ids);
    } catch (error) {
      return { raised: reasonOf(error) };
    }
  }

  #carryOut(effect: Exclude<Effect, { kind: "sweep" }>): ApplyOutcome {
    switch (effect.kind) {
      case "none":
        return { result: effect.result, changed: unchanged };
      case "set": {
        const { key, id, dict } = effect;
        this.#set(key, id, dict);
        return { result: dict, changed: typeof key === "string" ? [key] : unchanged };
      }
      case "put":
        this.#put(effect.id, effect.record);
        return new AppliedPut(effect.id, effect.record);
      case "pop": {
        const key = this.#pop(effect.id);
        return { result: effect.result, changed: typeof key === "string" ? [key] : unchanged };
      }
    }
  }

  #set(key: PyValue, id: string, dict: PyDict): void {
    this.#put(id, this.#recordOf(key, id, dict));
  }

  /** The same, of a value of any size. */
  *#setSteps(key: PyValue, dict: PyDict, most: number): Generator<void, StoredRecord> {
    const id = keyId(key);
    const record = this.#recordOf(key, id, dict);
    const options = { most, piece: restoreBytesPerStep };
    this.#put(id, record, yield* weightSteps(keyOf(id, record), record, options));
    return record;
  }

  #recordOf(key: PyValue, id: string, dict: PyDict): StoredRecord {
    const old = this.#records.get(id);
    // Python's dict keeps the key that it has, where an equal one (1 for 1.0) is set again.
    return makeRecord(old === undefined ? key : keyOf(id, old), id, dict);
  }

  /** The items of one step, from this one on. */
  #takePlain(items: PlainItems, from: number, bytesMax: number): void {
    const to = Math.min(items.length, from + restoreKeysPerStep);
    for (let number = from; number < to; number++) {
      const item = items.at(number);
      const { key } = item;
      const record = new CompactRecord(item, item.created, item.index);
      const id = keyId(key);
      if (isMarked(id)) this.#set(key, id, record.toDict());
      else this.#put(id, record, dataKeyBytes + item.textBytes);
      if (this.#bytes > bytesMax) throw tooMuch(bytesMax);
    }
  }

  /** @param weight As `weightOf` says. */
  #put(id: string, record: StoredRecord, weight = weightOf(keyOf(id, record), record)): void {
    const old = this.#records.get(id);
    record.weight = weight;
    this.#bytes += record.weight - (old?.weight ?? 0);
    if (old === undefined) {
      this.#lastPosition += 1;
      record.position = this.#lastPosition;
      if (isOdd(record)) this.#oddKeys += 1;
    } else {
      for (const snapshot of this.#snapshots) snapshot.save(id, old);
      record.position = old.position;
    }
    this.#records.set(id, record);
    if (old !== undefined) {
      if (old.timed !== null) this.#expiringBytes -= old.weight;
      this.#lifetimes.removed(id, old);
    }
    const deadline = deadlineOf(record);
    if (deadline === null) return;
    this.#expiringBytes += record.weight;
    this.#lifetimes.add(id, record, deadline);
  }

  #pop(id: string): PyValue {
    const record = this.#records.get(id);
    if (record === undefined) throw new Error("the rules pop only keys that are stored");
    this.#bytes -= record.weight;
    if (record.timed !== null) this.#expiringBytes -= record.weight;
    this.#take(id);
    return keyOf(id, record);
  }

  /** Out of all that holds it; what it counts for is taken off already. */
  #take(id: string): void {
    const record = this.#records.get(id);
    if (record === undefined) return;
    for (const snapshot of this.#snapshots) snapshot.save(id, record);
    this.#records.delete(id);
    this.#lifetimes.removed(id, record);
    if (isOdd(record)) this.#oddKeys -= 1;
  }
}

function tooMuch(bytesMax: number): ProtocolError {
  return new ProtocolError("dump-too-large", `it holds more than ${bytesMax} bytes of data`);
}

function isOdd(record: StoredRecord): boolean {
  return record instanceof GeneralRecord && !isStr(record.key);
}
