import { ProtocolError } from "../../protocol/errors.js";
import type { PyDict, PyValue } from "../../protocol/pickle/values.js";
import { AcceptedCalls } from "./accepted-calls.js";
import { otherCommandRefusal, parseCommand } from "./command.js";
import { ExpiryIndex } from "./expiry-index.js";
import { type Growth, growthOf } from "./growth.js";
import { type Effect, evaluate } from "./kv-rules.js";
import { Lifetimes } from "./lifetimes.js";
import { restoreKeysPerStep } from "./limits.js";
import { PlainRun } from "./plain-run.js";
import { parsePlainSet } from "./plain-set.js";
import { isStr, keyId, prefixMatcher, pyTypeName, startsWith } from "./python-key.js";
import {
  type CompactRecord,
  deadlineOf,
  GeneralRecord,
  keyOf,
  makeRecord,
  type StoredRecord,
} from "./record.js";
import { refusalOf } from "./refusal.js";
import { SnapshotCursor, type StoreSnapshot } from "./snapshot.js";
import { type LogTail, TailOverlay } from "./tail-overlay.js";
import { weightOf } from "./weight.js";

export interface Applied {
  /** What vanilla's method returns: the value dict, True, False or None. Not to be changed. */
  readonly result: PyValue;
  /** The str keys that were set or removed, as Patroni's on_set and on_delete would hear of them. */
  readonly changed: readonly string[];
}

/** Vanilla would have raised, and stopped for good, and this is why. Nothing has changed here. */
export interface Raised {
  readonly raised: string;
}

export type ApplyOutcome = Applied | Raised;

export interface ExpiredKey {
  readonly key: PyValue;
  readonly value: PyDict;
}

const unchanged: readonly string[] = [];

/** Mostly nobody waits for the result: it is made for who asks. */
class AppliedPut implements Applied {
  readonly #key: string;
  readonly #record: CompactRecord;

  constructor(key: string, record: CompactRecord) {
    this.#key = key;
    this.#record = record;
  }

  get result(): PyValue {
    return this.#record.toDict();
  }

  get changed(): readonly string[] {
    return [this.#key];
  }
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
  readonly #isStored = (id: string, record: StoredRecord) => this.#records.get(id) === record;
  readonly #deadlines = new ExpiryIndex(this.#isStored);
  readonly #lifetimes = new Lifetimes(this.#isStored);
  readonly #state = {
    record: (id: string) => this.#records.get(id),
    idsStartingWith: (prefix: PyValue) => this.#idsStartingWith(prefix),
    all: () => this.#records,
  };
  readonly #calls = new AcceptedCalls();
  readonly #overlay = new TailOverlay(
    this.#state,
    (command) => this.#calls.get(command) ?? parseCommand(command),
  );
  readonly #plainRun = new PlainRun();
  readonly #snapshots = new Set<SnapshotCursor>();

  /**
   * The store of a dump's dictionary (`_KVStoreTTL__data`), each value as it stands there.
   *
   * @throws ProtocolError `dump-malformed` where a value is no dict: no KVStoreTTL holds such a one.
   */
  static fromDump(data: PyDict): Store {
    const steps = Store.fromDumpSteps(data);
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
  static *fromDumpSteps(data: PyDict, bytesMax = Number.MAX_SAFE_INTEGER): Generator<void, Store> {
    const store = new Store();
    let taken = 0;
    for (const [key, value] of data) {
      if (!(value instanceof Map)) {
        throw new ProtocolError("dump-malformed", `a value is no dict but ${pyTypeName(value)}`);
      }
      store.#set(key, keyId(key), value, bytesMax - store.#bytes);
      if (store.#bytes > bytesMax) {
        throw new ProtocolError("dump-too-large", `it holds more than ${bytesMax} bytes of data`);
      }
      taken += 1;
      if (taken % restoreKeysPerStep === 0) yield;
    }
    return store;
  }

  get size(): number {
    return this.#records.size;
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
    return this.#deadlines.size;
  }

  /** The value dict (a copy) of the key, null where there is none. */
  get(key: PyValue): PyDict | null {
    try {
      return this.#records.get(keyId(key))?.toDict() ?? null;
    } catch {
      // A value that Python cannot hash is no key.
      return null;
    }
  }

  /** All keys that start with the prefix (with '' all keys), in the order of their insertion. */
  *entries(prefix = ""): IterableIterator<readonly [PyValue, PyDict]> {
    for (const [id, record] of this.#records) {
      const key = keyOf(id, record);
      if (prefix === "" || (isStr(key) && startsWith(key, prefix))) yield [key, record.toDict()];
    }
  }

  /**
   * Applies one committed entry's command, of whatever type. Never throws for what a command holds.
   *
   * @param index The entry's log index, which becomes the `index` of a value that it sets.
   */
  apply(command: Uint8Array, index: number): ApplyOutcome {
    let effect: Effect;
    try {
      const known = this.#calls.get(command);
      this.forget(command);
      const call = known ?? parseCommand(command);
      if (call === null) return { result: null, changed: unchanged };
      effect = evaluate(call, this.#state, index);
    } catch (error) {
      return { raised: reasonOf(error) };
    }
    return this.#carryOut(effect);
  }

  /**
   * Why the command must not be appended behind the tail, or null where it may be: applied there it
   * would stop every vanilla member (or its leader, or Patroni's own process). Exact for
   * commands as Patroni makes them; see refusal.ts for what is refused beyond that.
   *
   * @param tail The entries of the log that are not applied to this store yet, all of them.
   */
  refusal(command: Uint8Array, tail: LogTail): string | null {
    this.#plainRun.end();
    try {
      const call = parseCommand(command);
      if (call === null) return otherCommandRefusal(command);
      this.#overlay.follow(tail);
      const reason = refusalOf(call, this.#overlay);
      if (reason === null) this.#calls.remember(command, call);
      return reason;
    } catch (error) {
      return reasonOf(error);
    }
  }

  /**
   * Whether `refusal` would be null, where that shows at sight: a plain set raises nowhere unless a value of
   * another shape is under its key, and of those are none in a tail of plain sets. False: it has to be asked.
   */
  isAdmittedAtSight(command: Uint8Array, tail: LogTail): boolean {
    if (!this.#plainRun.covers(tail)) return false;
    const call = parsePlainSet(command);
    if (call === null || this.#records.get(call.key) instanceof GeneralRecord) return false;
    this.#plainRun.add(command, tail);
    this.#calls.remember(command, call);
    return true;
  }

  /**
   * What the command would add now; null where it sets nothing.
   *
   * @param isNext It is to be applied next, or `forget` is called: it need not be decoded a second time then.
   */
  growthBy(command: Uint8Array, isNext = false): Growth | null {
    try {
      const known = this.#calls.get(command);
      const call = known ?? parseCommand(command);
      if (isNext && known === undefined && call !== null) this.#calls.remember(command, call);
      return growthOf(call, this.#state.record);
    } catch {
      // Applied, it would raise, and so change nothing.
      return null;
    }
  }

  /** A command that was looked at is not going to be applied. */
  forget(command: Uint8Array): void {
    this.#calls.forget(command);
  }

  /** Bytes of the commands that are kept until they are applied. */
  get acceptedBytes(): number {
    return this.#calls.bytes;
  }

  /**
   * Goes one entry of the tail further towards what `refusal` has to know. After an election the tail can
   * be very long.
   *
   * @returns true where `refusal` will not have to look at more than it.
   */
  lookAhead(tail: LogTail): boolean {
    return this.#overlay.follow(tail, 1);
  }

  /**
   * As `refusal`, for a command that is on its way to another member: as this store is now, with nothing
   * behind it, and nothing of the command kept.
   */
  refusalAsIs(command: Uint8Array): string | null {
    try {
      const call = parseCommand(command);
      return call === null ? otherCommandRefusal(command) : refusalOf(call, this.#state);
    } catch (error) {
      return reasonOf(error);
    }
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
   * The keys that a leader should expire now, again at each call until their `_expire` has been
   * applied. Costs what is due, whatever the store holds.
   *
   * Upstream (`KVStoreTTL.__expire_keys`) takes those whose `expire` its wall clock has reached. So do
   * we, but not before a value that was seen to come has lived for its ttl; and whatever the wall clock
   * says, those that have been here for all of their ttl.
   *
   * @param wallSec The leader's wall clock, seconds since 1970 with a fraction.
   * @param monotonicSec The clock that `noteTime` is given.
   */
  expired(wallSec: number, monotonicSec: number): readonly ExpiredKey[] {
    const due = new Map<string, StoredRecord>();
    for (const { id, record } of this.#deadlines.due(wallSec)) {
      if (!this.#lifetimes.isYoung(record, monotonicSec)) due.set(id, record);
    }
    for (const { id, record } of this.#lifetimes.over(monotonicSec)) due.set(id, record);
    return [...due].map(([id, record]) => ({ key: keyOf(id, record), value: record.toDict() }));
  }

  /**
   * Begins a snapshot of the store as it is now, while `apply` goes on. Each costs memory for what
   * changes before it is read, so callers bound how many there are.
   */
  beginSnapshot(): StoreSnapshot {
    const cursor = new SnapshotCursor(this.#records, this.#lastPosition);
    this.#snapshots.add(cursor);
    return {
      records: cursor.records(),
      size: this.#records.size,
      end: () => {
        cursor.end();
        this.#snapshots.delete(cursor);
      },
    };
  }

  #idsStartingWith(prefix: PyValue): string[] {
    const ids: string[] = [];
    const matches = prefixMatcher(prefix);
    for (const [id, record] of this.#records) {
      if (matches(keyOf(id, record))) ids.push(id);
    }
    return ids;
  }

  #carryOut(effect: Effect): Applied {
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
        const changed: string[] = [];
        for (const id of effect.ids) {
          const key = this.#pop(id);
          if (typeof key === "string") changed.push(key);
        }
        return { result: effect.result, changed };
      }
    }
  }

  #set(key: PyValue, id: string, dict: PyDict, weightMax?: number): void {
    const old = this.#records.get(id);
    // Python's dict keeps the key that it has, where an equal one (1 for 1.0) is set again.
    this.#put(id, makeRecord(old === undefined ? key : keyOf(id, old), id, dict), weightMax);
  }

  #put(id: string, record: StoredRecord, weightMax?: number): void {
    const old = this.#records.get(id);
    record.weight = weightOf(keyOf(id, record), record, weightMax);
    this.#bytes += record.weight - (old?.weight ?? 0);
    if (old === undefined) {
      this.#lastPosition += 1;
      record.position = this.#lastPosition;
    } else {
      for (const snapshot of this.#snapshots) snapshot.save(id, old);
      record.position = old.position;
    }
    this.#records.set(id, record);
    if (old !== undefined) this.#forgetDeadline(id, old);
    const deadline = deadlineOf(record);
    if (deadline === null) return;
    this.#expiringBytes += record.weight;
    this.#deadlines.add(id, record, deadline);
    this.#lifetimes.add(id, record);
  }

  #pop(id: string): PyValue {
    const record = this.#records.get(id);
    if (record === undefined) throw new Error("the rules pop only keys that are stored");
    for (const snapshot of this.#snapshots) snapshot.save(id, record);
    this.#records.delete(id);
    this.#bytes -= record.weight;
    this.#forgetDeadline(id, record);
    return keyOf(id, record);
  }

  #forgetDeadline(id: string, record: StoredRecord): void {
    if (deadlineOf(record) === null) return;
    this.#expiringBytes -= record.weight;
    this.#deadlines.removed();
    this.#lifetimes.removed(id, record);
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
