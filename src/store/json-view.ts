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

/** The same with bytes that are no text yet: hex of 24 MiB takes longer than a step may. */
export type PiecewiseJson =
  | null
  | boolean
  | number
  | string
  | HexText
  | readonly PiecewiseJson[]
  | { readonly [name: string]: PiecewiseJson };

/** Bytes that are to be shown as hex. */
export class HexText {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Of the text. */
  get length(): number {
    return 2 * this.#bytes.length;
  }

  /** The text in pieces of at most so many characters. */
  *pieces(charsMax: number): Generator<string, void, undefined> {
    const step = Math.max(1, Math.floor(charsMax / 2));
    for (let at = 0; at < this.#bytes.length; at += step) {
      yield hex(this.#bytes.subarray(at, at + step));
    }
  }

  toJSON(): string {
    return hex(this.#bytes);
  }
}

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
  return entryJson<string>(dict, hex);
}

/** The same for who writes it in pieces. */
export function toPiecewiseJson(dict: PyDict): KvEntryView<HexText> {
  return entryJson(dict, (bytes) => new HexText(bytes));
}

/** Any value for JSON, as in `toJson`. */
export function valueToJson(value: PyValue): JsonValue {
  return jsonOf<string>(value, 0, hex);
}

/** A key as text: the str itself, or the JSON of what is no str. */
export function keyToText(key: PyValue): string {
  const json = valueToJson(key);
  return typeof json === "string" ? json : JSON.stringify(json);
}

/** What JSON can hold, with bytes as a B. */
type JsonOf<B> =
  | null
  | boolean
  | number
  | string
  | B
  | readonly JsonOf<B>[]
  | { readonly [name: string]: JsonOf<B> };

/** An entry whose bytes are a B each. */
export interface KvEntryView<B> {
  readonly value: JsonOf<B>;
  readonly created: JsonOf<B>;
  readonly updated: JsonOf<B>;
  readonly expire?: JsonOf<B>;
  readonly index: JsonOf<B>;
  readonly [field: string]: JsonOf<B> | undefined;
}

function entryJson<B>(dict: PyDict, ofBytes: (bytes: Uint8Array) => B): KvEntryView<B> {
  const field = (name: string): JsonOf<B> => jsonOf(dict.get(name) ?? null, 1, ofBytes);
  const [value, created, updated] = [field("value"), field("created"), field("updated")];
  const expire = dict.has("expire") ? { expire: field("expire") } : {};
  const shown: KvEntryView<B> = { value, created, updated, ...expire, index: field("index") };
  const more = new Map<string, JsonOf<B>>();
  for (const [name, item] of dict) {
    const text = keyToText(name);
    if (!Object.hasOwn(shown, text)) more.set(text, jsonOf(item, 1, ofBytes));
  }
  // fromEntries and spreading define properties: a field named __proto__ is nothing but a field.
  return more.size === 0 ? shown : { ...shown, ...Object.fromEntries(more) };
}

function jsonOf<B>(value: PyValue, depth: number, ofBytes: (bytes: Uint8Array) => B): JsonOf<B> {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return value;
  if (typeof value === "bigint") return String(value);
  if (value instanceof PyFloat) return floatJson(value.value);
  if (value instanceof PySurrogateStr) return shownText(value.bytes);
  if (value instanceof Uint8Array) return { bytes: ofBytes(value) };
  if (depth >= jsonDepthMax) return "…";
  const within = (item: PyValue): JsonOf<B> => jsonOf(item, depth + 1, ofBytes);
  if (Array.isArray(value) || value instanceof Set) return Array.from(value, within);
  if (value instanceof PyTuple || value instanceof PyFrozenSet) {
    return value.items.map(within);
  }
  if (value instanceof PyInstance) {
    return { class: value.className, state: within(value.state) };
  }
  return dictJson(value, within);
}

function dictJson<B>(dict: PyDict, within: (item: PyValue) => JsonOf<B>): JsonOf<B> {
  const pairs = Array.from(dict, ([key, value]) => [key, within(value)] as const);
  const named = pairs.flatMap(([key, json]) => (typeof key === "string" ? [[key, json]] : []));
  if (named.length === pairs.length) return Object.fromEntries(named);
  return pairs.map(([key, json]) => [within(key), json]);
}

function floatJson(value: number): number | string {
  if (Number.isFinite(value)) return value;
  if (Number.isNaN(value)) return "nan";
  return value > 0 ? "inf" : "-inf";
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}
