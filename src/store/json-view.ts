import { shownText } from "../../protocol/pickle/text.js";
import {
  type PyDict,
  PyFloat,
  PyFrozenSet,
  PyInstance,
  PySurrogateStr,
  PyTuple,
  type PyValue,
} from "../../protocol/pickle/values.js";
import { jsonDepthMax } from "./limits.js";

/** What JSON can hold. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/**
 * A value as the HTTP API shows it. Patroni writes value as a str and the times as floats (seconds
 * since 1970), but a stored value may hold anything.
 */
export interface KvEntryJson {
  /** The value; Patroni stores text. */
  readonly value: JsonValue;
  /** When the key came to be, in seconds since 1970. */
  readonly created: JsonValue;
  /** When it was set last, in seconds since 1970. */
  readonly updated: JsonValue;
  /** When the leader may remove it, in seconds since 1970; absent: never. */
  readonly expire?: JsonValue;
  /** Log index of the entry that set it: what `prevIndex` is compared with. */
  readonly index: JsonValue;
  readonly [field: string]: JsonValue | undefined;
}

/**
 * A value dict for the HTTP API: {value, created, updated, expire?, index, …}, a missing field as
 * null. Numbers and strings stand for themselves. What JSON lacks is shown, not restored: an int
 * beyond 2^53 and nan or inf as text, bytes as {bytes: hex}, tuples and sets as arrays, an instance
 * as {class, state}, a dict with keys that are no str as an array of pairs, what nests deeper than
 * the limit as "…".
 */
export function toJson(dict: PyDict): KvEntryJson {
  const field = (name: string): JsonValue => jsonOf(dict.get(name) ?? null, 1);
  const [value, created, updated] = [field("value"), field("created"), field("updated")];
  const expire = dict.has("expire") ? { expire: field("expire") } : {};
  const shown: KvEntryJson = { value, created, updated, ...expire, index: field("index") };
  const more = new Map<string, JsonValue>();
  for (const [name, item] of dict) {
    const text = keyToText(name);
    if (!Object.hasOwn(shown, text)) more.set(text, jsonOf(item, 1));
  }
  // fromEntries and spreading define properties: a field named __proto__ is nothing but a field.
  return more.size === 0 ? shown : { ...shown, ...Object.fromEntries(more) };
}

/** Any value for JSON, as in `toJson`. */
export function valueToJson(value: PyValue): JsonValue {
  return jsonOf(value, 0);
}

/** A key as text: the str itself, or the JSON of what is no str. */
export function keyToText(key: PyValue): string {
  const json = jsonOf(key, 0);
  return typeof json === "string" ? json : JSON.stringify(json);
}

function jsonOf(value: PyValue, depth: number): JsonValue {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return value;
  if (typeof value === "bigint") return String(value);
  if (value instanceof PyFloat) return floatJson(value.value);
  if (value instanceof PySurrogateStr) return shownText(value.bytes);
  if (value instanceof Uint8Array) return { bytes: hex(value) };
  if (depth >= jsonDepthMax) return "…";
  if (Array.isArray(value) || value instanceof Set) {
    return Array.from(value, (item) => jsonOf(item, depth + 1));
  }
  if (value instanceof PyTuple || value instanceof PyFrozenSet) {
    return value.items.map((item) => jsonOf(item, depth + 1));
  }
  if (value instanceof PyInstance) {
    return { class: value.className, state: jsonOf(value.state, depth + 1) };
  }
  return dictJson(value, depth);
}

function dictJson(dict: PyDict, depth: number): JsonValue {
  const pairs = Array.from(dict, ([key, value]) => [key, jsonOf(value, depth + 1)] as const);
  const named = pairs.flatMap(([key, json]) => (typeof key === "string" ? [[key, json]] : []));
  if (named.length === pairs.length) return Object.fromEntries(named);
  return pairs.map(([key, json]) => [jsonOf(key, depth + 1), json]);
}

function floatJson(value: number): JsonValue {
  if (Number.isFinite(value)) return value;
  if (Number.isNaN(value)) return "nan";
  return value > 0 ? "inf" : "-inf";
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}
