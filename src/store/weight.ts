import { dataKeyBytes } from "../../protocol/files/limits.js";
import {
  PyFloat,
  PyFrozenSet,
  PyInstance,
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

function textBytes(text: string): number {
  return Buffer.byteLength(text);
}

/** Of any value, with all that it holds. Stops counting where it is more than `most`. */
function valueBytes(value: PyValue, most: number): number {
  if (typeof value === "string") return valueBytesMin + textBytes(value);
  if (typeof value === "bigint") return valueBytesMin + value.toString(16).length;
  if (value instanceof PySurrogateStr) return valueBytesMin + value.bytes.length;
  // Python writes bytes as a text, of two bytes for each at worst, in a call that makes them of it.
  if (value instanceof Uint8Array) return calledBytesMin + 2 * value.length;
  if (value === null || typeof value !== "object" || value instanceof PyFloat) return valueBytesMin;
  const isCalled = value instanceof Set || value instanceof PyFrozenSet;
  let bytes = isCalled ? calledBytesMin : valueBytesMin;
  for (const part of partsOf(value)) {
    bytes += valueBytes(part, most - bytes);
    if (bytes > most) break;
  }
  return bytes;
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
