import {
  PyFloat,
  PyFrozenSet,
  PyInstance,
  PyOrderedDict,
  PySurrogateStr,
  PyTuple,
  type PyValue,
} from "../../protocol/pickle/values.js";

/**
 * A Python value with its type, as JSON, in the form that store_twin.py reads and writes: i int,
 * f float (its eight bytes), b bytes, u code points, d dict, o OrderedDict, l list, t tuple, s set,
 * z frozenset, n a TCPNode.
 */
export type Typed = null | boolean | string | { readonly [kind: string]: TypedContent };
export type TypedContent = string | readonly number[] | readonly Typed[] | readonly TypedPair[];
export type TypedPair = readonly [Typed, Typed];

export const int = (value: number | bigint): Typed => ({ i: String(value) });
export const dict = (pairs: readonly TypedPair[]): Typed => ({ d: pairs });
export const tuple = (items: readonly Typed[]): Typed => ({ t: items });
export const list = (items: readonly Typed[]): Typed => ({ l: items });

export function float(value: number): Typed {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return { f: bytes.toString("hex") };
}

/** The description of one of our values, dicts and sets in an order of their own. */
export function describeValue(value: PyValue): Typed {
  return sorted(describe(value));
}

/** The same description with dicts, but not OrderedDicts, and sets sorted: their order is not compared. */
export function sorted(typed: Typed): Typed {
  if (typed === null || typeof typed !== "object") return typed;
  const [entry] = Object.entries(typed);
  assertDefined(entry);
  const [kind, content] = entry;
  if (!Array.isArray(content) || kind === "u") return typed;
  const items = content.map((item: Typed | TypedPair) =>
    Array.isArray(item) ? item.map(sorted) : sorted(item as Typed),
  );
  if (["l", "t", "o"].includes(kind)) return { [kind]: items as Typed[] };
  const text = (item: unknown): string => JSON.stringify(item);
  items.sort((a, b) => (text(a) < text(b) ? -1 : 1));
  return { [kind]: items as Typed[] };
}

function describe(value: PyValue): Typed {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "string") return describeText(value);
  if (typeof value === "number" || typeof value === "bigint") return int(value);
  if (value instanceof PyFloat) return float(value.value);
  if (value instanceof Uint8Array) return { b: Buffer.from(value).toString("hex") };
  if (value instanceof PyTuple) return tuple(value.items.map(describe));
  if (value instanceof PyFrozenSet) return { z: value.items.map(describe) };
  if (value instanceof Set) return { s: Array.from(value, describe) };
  if (value instanceof Map) {
    const pairs = Array.from(value, ([key, item]): TypedPair => [describe(key), describe(item)]);
    return value instanceof PyOrderedDict ? { o: pairs } : dict(pairs);
  }
  if (value instanceof PySurrogateStr) return { u: surrogatePoints(value.bytes) };
  if (value instanceof PyInstance) return { n: String(value.state.get("_id")) };
  return list(value.map(describe));
}

function describeText(value: string): Typed {
  const points = Array.from(value, (char) => char.codePointAt(0) ?? 0);
  return points.every((point) => point < 0x80) ? value : { u: points };
}

/** Code points of UTF-8 in which surrogates stand one by one. */
function surrogatePoints(bytes: Uint8Array): number[] {
  const binary = Array.from(bytes, (byte) => byte.toString(2).padStart(8, "0"));
  const points: string[] = [];
  for (const bits of binary) {
    if (bits.startsWith("10")) points.push((points.pop() ?? "") + bits.slice(2));
    else points.push(bits.startsWith("0") ? bits : bits.slice(bits.indexOf("0")));
  }
  return points.map((bits) => Number.parseInt(bits, 2));
}

function assertDefined<T>(value: T | undefined): asserts value is T {
  if (value === undefined) throw new Error("a typed value names its kind");
}
