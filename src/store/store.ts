import { ProtocolError } from "../../protocol/errors.js";
import type { PyDict, PyValue } from "../../protocol/pickle/values.js";
import { otherCommandRefusal, parseCommand } from "./command.js";
import { ExpiryIndex } from "./expiry-index.js";
import { type Effect, evaluate } from "./kv-rules.js";
import { restoreKeysPerStep } from "./limits.js";
import { isStr, keyId, pyTypeName, startsWith } from "./python-key.js";
import { deadlineOf, keyOf, makeRecord, type StoredRecord } from "./record.js";
import { refusalOf } from "./refusal.js";
import { SnapshotCursor, type StoreSnapshot } from "./snapshot.js";
import { type LogTail, TailOverlay } from "./tail-overlay.js";

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
  /** Position of the last insertion into `#records`. */
  #lastPosition = 0;
  readonly #deadlines = new ExpiryIndex((id, record) => this.#records.get(id) === record);
  readonly #state = {
    record: (id: string) => this.#records.get(id),
    idsStartingWith: (prefix: PyValue) => this.#idsStartingWith(prefix),
    all: () => this.#records,
  };
  readonly #overlay = new TailOverlay(this.#state, parseCommand);
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

  /** The same in slices of about a millisecond: run it to its end, other work in between. */
  static *fromDumpSteps(data: PyDict): Generator<void, Store> {
    const store = new Store();
    let taken = 0;
    for (const [key, value] of data) {
      if (!(value instanceof Map)) {
        throw new ProtocolError("dump-malformed", `a value is no dict but ${pyTypeName(value)}`);
      }
      store.#set(key, keyId(key), value);
      taken += 1;
      if (taken % restoreKeysPerStep === 0) yield;
    }
    return store;
  }

  get size(): number {
    return this.#records.size;
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
      const call = parseCommand(command);
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
    try {
      const call = parseCommand(command);
      if (call === null) return otherCommandRefusal(command);
      this.#overlay.follow(tail);
      const reason = refusalOf(call, this.#overlay);
      if (reason === null) this.#overlay.remember(command, call);
      return reason;
    } catch (error) {
      return reasonOf(error);
    }
  }

  /**
   * The keys that vanilla's leader would expire now (`KVStoreTTL.__expire_keys`), again at each
   * call until their `_expire` has been applied. Costs what is due, whatever the store holds.
   *
   * @param nowSec The leader's wall clock, seconds since 1970 with a fraction.
   */
  expired(nowSec: number): readonly ExpiredKey[] {
    return this.#deadlines
      .due(nowSec)
      .map(({ id, record }) => ({ key: keyOf(id, record), value: record.toDict() }));
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
    for (const [id, record] of this.#records) {
      if (startsWith(keyOf(id, record), prefix)) ids.push(id);
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

  #set(key: PyValue, id: string, dict: PyDict): void {
    const old = this.#records.get(id);
    // Python's dict keeps the key that it has, where an equal one (1 for 1.0) is set again.
    const record = makeRecord(old === undefined ? key : keyOf(id, old), id, dict);
    if (old === undefined) {
      this.#lastPosition += 1;
      record.position = this.#lastPosition;
    } else {
      for (const snapshot of this.#snapshots) snapshot.save(id, old);
      record.position = old.position;
    }
    this.#records.set(id, record);
    if (old !== undefined && deadlineOf(old) !== null) this.#deadlines.removed();
    const deadline = deadlineOf(record);
    if (deadline !== null) this.#deadlines.add(id, record, deadline);
  }

  #pop(id: string): PyValue {
    const record = this.#records.get(id);
    if (record === undefined) throw new Error("the rules pop only keys that are stored");
    for (const snapshot of this.#snapshots) snapshot.save(id, record);
    this.#records.delete(id);
    if (deadlineOf(record) !== null) this.#deadlines.removed();
    return keyOf(id, record);
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
