import { type PyDict, PyFloat, type PyValue } from "../../protocol/pickle/values.js";
import type { Timed } from "./lifetimes.js";
import { isMarked } from "./python-key.js";

/**
 * What the store holds of one key: the usual shape of a value in five fields, so that a million
 * keys fit in a few hundred megabytes, or the dict itself where it has another shape. Immutable but
 * for the position, the weight and the times, which are the store's.
 */
export type StoredRecord = CompactRecord | GeneralRecord;

/** {value: str, updated: float, created: float, expire?: float, index: int} under a plain str key. */
export class CompactRecord {
  /** Number of the insertion that put the key where it is in the store's Map; grows along it. */
  position = 0;
  /** What it counts for in the store's `bytes`. */
  weight = 0;
  /** Null where it has no time to live, or is not stored. */
  timed: Timed | null = null;
  readonly value: string;
  readonly updated: number;
  readonly expire: number | null;
  readonly index: number;
  /** Null where it is the same as `updated`: each of the two takes memory of its own, and mostly they are. */
  readonly #created: number | null;

  constructor(fields: CompactFields, created: number, index: number) {
    this.value = fields.value;
    this.updated = fields.updated;
    this.#created = Object.is(created, fields.updated) ? null : created;
    this.expire = fields.expire;
    this.index = index;
  }

  get created(): number {
    return this.#created ?? this.updated;
  }

  get isTruthy(): boolean {
    return true;
  }

  /** The value dict's field, undefined where Python would raise KeyError. */
  field(name: string): PyValue | undefined {
    switch (name) {
      case "value":
        return this.value;
      case "updated":
        return new PyFloat(this.updated);
      case "created":
        return new PyFloat(this.created);
      case "expire":
        return this.expire === null ? undefined : new PyFloat(this.expire);
      case "index":
        return this.index;
      default:
        return undefined;
    }
  }

  /** The value dict, its fields in the order in which Patroni makes them. */
  toDict(): PyDict {
    const dict: PyDict = new Map<PyValue, PyValue>();
    dict.set("value", this.value);
    dict.set("updated", new PyFloat(this.updated));
    dict.set("created", new PyFloat(this.created));
    if (this.expire !== null) dict.set("expire", new PyFloat(this.expire));
    dict.set("index", this.index);
    return dict;
  }
}

interface CompactFields {
  readonly value: string;
  readonly updated: number;
  readonly expire: number | null;
}

export class GeneralRecord {
  position: number;
  weight = 0;
  timed: Timed | null = null;
  readonly key: PyValue;
  readonly dict: PyDict;

  constructor(key: PyValue, dict: PyDict, position: number) {
    this.position = position;
    this.key = key;
    this.dict = dict;
  }

  get isTruthy(): boolean {
    return this.dict.size > 0;
  }

  field(name: string): PyValue | undefined {
    return this.dict.get(name);
  }

  toDict(): PyDict {
    return new Map(this.dict);
  }
}

/** A record of this value dict, which is copied. */
export function makeRecord(key: PyValue, id: string, dict: PyDict): StoredRecord {
  const compact = isMarked(id) ? null : compactRecord(dict);
  return compact ?? new GeneralRecord(key, new Map(dict), 0);
}

function compactRecord(dict: PyDict): CompactRecord | null {
  const value = dict.get("value");
  const updated = dict.get("updated");
  const created = dict.get("created");
  const expire = dict.get("expire");
  const index = dict.get("index");
  if (dict.size !== (expire === undefined ? 4 : 5)) return null;
  if (typeof value !== "string" || typeof index !== "number") return null;
  if (!(updated instanceof PyFloat) || !(created instanceof PyFloat)) return null;
  if (expire !== undefined && !(expire instanceof PyFloat)) return null;
  const fields = { value, updated: updated.value, expire: expire?.value ?? null };
  return new CompactRecord(fields, created.value, index);
}

export function keyOf(id: string, record: StoredRecord): PyValue {
  return record instanceof GeneralRecord ? record.key : id;
}

/**
 * When the leader may expire the value, in seconds of its wall clock; null where it never does.
 * An expire that is no number would raise TypeError in vanilla's `__expire_keys` (patroni/dcs/
 * raft.py) and stop the leader; here it never expires. Nor does nan, there as here.
 */
export function deadlineOf(record: StoredRecord): number | null {
  if (record instanceof CompactRecord) {
    return record.expire === null || Number.isNaN(record.expire) ? null : record.expire;
  }
  const expire = record.dict.get("expire");
  if (expire === undefined) return null;
  const deadline = numberOf(expire);
  return deadline === null || Number.isNaN(deadline) ? null : deadline;
}

/**
 * How long the value was meant to live when it was written, in seconds: both times are of its writer's
 * clock, so that the difference is right where the clock is not. Null where it tells nothing.
 */
export function ttlOf(record: StoredRecord): number | null {
  const expire = deadlineOf(record);
  const updated =
    record instanceof CompactRecord ? record.updated : numberOf(record.dict.get("updated") ?? null);
  if (expire === null || updated === null) return null;
  const ttl = expire - updated;
  return Number.isFinite(ttl) && ttl >= 0 ? ttl : null;
}

/** A Python number as a double; null for what is none (bool is an int in Python). */
export function numberOf(value: PyValue): number | null {
  if (typeof value === "number") return value;
  if (typeof value === "bigint" || typeof value === "boolean") return Number(value);
  return value instanceof PyFloat ? value.value : null;
}
