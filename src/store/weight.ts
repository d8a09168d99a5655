import { dataKeyBytes } from "../../protocol/files/limits.js";
import {
  PyFloat,
  PyFrozenSet,
  PyInstance,
  PyOrderedDict,
  PySurrogateStr,
  PyTuple,
  type PyValue,
} from "../../protocol/pickle/values.js";
import { calledBytesMin, valueBytesMin } from "./limits.js";
import { CompactRecord, type StoredRecord } from "./record.js";

/**
 * What a key and its value count for in a bound on the data: about what they take in memory, and never less
 * than what they take in a dump. The text of both in UTF-8 and a constant, where the value is of the usual shape.
 */
export function weightOf(
  key: PyValue,
  record: StoredRecord,
  most = Number.MAX_SAFE_INTEGER,
): number {
  const own = dataKeyBytes + (typeof key === "string" ? textBytes(key) : valueBytes(key, most));
  if (record instanceof CompactRecord) return own + textBytes(record.value);
  return own + valueBytes(record.dict, most);
}

/**
 * The same, of a value that may be of any size: in pieces of some milliseconds, other work in between.
 *
 * @param piece How much is counted at once.
 */
export function* weightSteps(
  key: PyValue,
  record: StoredRecord,
  { most, piece }: { readonly most: number; readonly piece: number },
): Generator<void, number> {
  const atOnce = weightOf(key, record, Math.min(most, piece));
  if (atOnce <= piece || atOnce > most || record instanceof CompactRecord) return atOnce;
  let bytes = dataKeyBytes + (typeof key === "string" ? textBytes(key) : valueBytes(key, most));
  let lastYield = bytes;
  const under: Iterator<PyValue>[] = [[record.dict].values()];
  for (let top = under.at(-1); top !== undefined; top = under.at(-1)) {
    const next = top.next();
    if (next.done === true) {
      under.pop();
      continue;
    }
    bytes += ownBytes(next.value);
    if (bytes > most) break;
    if (isContainer(next.value)) under.push(partsOf(next.value)[Symbol.iterator]());
    if (bytes - lastYield < piece) continue;
    lastYield = bytes;
    yield;
  }
  return bytes;
}

function textBytes(text: string): number {
  return Buffer.byteLength(text);
}

/** Of any value, with all that it holds. Stops counting where it is more than `most`. */
function valueBytes(value: PyValue, most: number): number {
  let bytes = ownBytes(value);
  if (!isContainer(value)) return bytes;
  for (const part of partsOf(value)) {
    bytes += valueBytes(part, most - bytes);
    if (bytes > most) break;
  }
  return bytes;
}

/** Without what a container holds. */
function ownBytes(value: PyValue): number {
  if (typeof value === "string") return valueBytesMin + textBytes(value);
  if (typeof value === "bigint") return valueBytesMin + value.toString(16).length;
  if (value instanceof PySurrogateStr) return valueBytesMin + value.bytes.length;
  // Python writes bytes as a text, of two bytes for each at worst, in a call that makes them of it.
  if (value instanceof Uint8Array) return calledBytesMin + 2 * value.length;
  const isCalled =
    value instanceof Set || value instanceof PyFrozenSet || value instanceof PyOrderedDict;
  return isCalled ? calledBytesMin : valueBytesMin;
}

function isContainer(value: PyValue): value is Container {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return false;
  return !(value instanceof PyFloat || value instanceof PySurrogateStr);
}

export type Container = Exclude<PyValue & object, Uint8Array | PyFloat | PySurrogateStr>;

/** What stands in a container, keys as well. */
export function* partsOf(value: Container): Iterable<PyValue> {
  if (value instanceof Map) {
    for (const [key, item] of value) {
      yield key;
      yield item;
    }
  } else if (value instanceof PyInstance) {
    yield value.className;
    yield* partsOf(value.state);
  } else if (value instanceof PyTuple || value instanceof PyFrozenSet) yield* value.items;
  else yield* value;
}
