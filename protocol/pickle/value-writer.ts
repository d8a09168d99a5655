import { encodeDepthMax, itemsPerBatch } from "./limits.js";
import {
  PyFloat,
  PyFrozenSet,
  PyInstance,
  PyOrderedDict,
  PySurrogateStr,
  PyTuple,
  type PyValue,
} from "./values.js";
import type { PickleWriter } from "./writer.js";

/** Writes a value with all that it holds. Throws an Error where it nests too deeply (or in itself). */
export function writeAnyValue(writer: PickleWriter, value: PyValue): void {
  writeAt(writer, value, 0);
}

function writeAt(writer: PickleWriter, value: PyValue, depth: number): void {
  if (typeof value === "string") writer.writeStr(value);
  else if (typeof value === "number" || typeof value === "bigint") writer.writeInt(value);
  else if (value === null) writer.writeNone();
  else if (typeof value === "boolean") writer.writeBool(value);
  else if (value instanceof PyFloat) writer.writeFloat(value.value);
  else if (value instanceof Uint8Array) writer.writeBytes(value);
  else if (value instanceof PySurrogateStr) writer.writeUtf8(value.bytes);
  else writeContainer(writer, value, depth + 1);
}

function writeContainer(writer: PickleWriter, value: PyValue & object, depth: number): void {
  if (depth > encodeDepthMax) throw new Error(`value nested more than ${encodeDepthMax} deep`);
  if (value instanceof Map) writeDict(writer, value, depth);
  else if (value instanceof PyTuple) writeTuple(writer, value.items, depth);
  else if (Array.isArray(value)) writeList(writer, value, depth);
  else if (value instanceof Set || value instanceof PyFrozenSet) writeSet(writer, value, depth);
  else if (value instanceof PyInstance) {
    writer.beginInstance(value.className);
    writeContainer(writer, value.state, depth + 1);
    writer.endInstance();
  } else {
    throw new Error("not a Python value");
  }
}

function writeDict(writer: PickleWriter, dict: ReadonlyMap<PyValue, PyValue>, depth: number): void {
  if (dict instanceof PyOrderedDict) writer.emptyOrderedDict();
  else writer.emptyDict();
  let count = 0;
  for (const [key, value] of dict) {
    if (count === 0) writer.mark();
    writeAt(writer, key, depth);
    writeAt(writer, value, depth);
    count += 1;
    if (count < itemsPerBatch) continue;
    writer.setItems();
    count = 0;
  }
  if (count > 0) writer.setItems();
}

function writeTuple(writer: PickleWriter, items: readonly PyValue[], depth: number): void {
  if (items.length > 3) writer.mark();
  for (const item of items) writeAt(writer, item, depth);
  if (items.length === 0) writer.emptyTuple();
  else if (items.length === 1) writer.tuple1();
  else if (items.length === 2) writer.tuple2();
  else if (items.length === 3) writer.tuple3();
  else writer.tuple();
}

function writeList(writer: PickleWriter, items: readonly PyValue[], depth: number): void {
  writer.emptyList();
  for (let at = 0; at < items.length; at += itemsPerBatch) {
    writer.mark();
    const batch = items.length > itemsPerBatch ? items.slice(at, at + itemsPerBatch) : items;
    for (const item of batch) writeAt(writer, item, depth);
    writer.appends();
  }
}

function writeSet(
  writer: PickleWriter,
  set: ReadonlySet<PyValue> | PyFrozenSet,
  depth: number,
): void {
  const isFrozen = set instanceof PyFrozenSet;
  writer.beginSet(isFrozen);
  for (const item of isFrozen ? set.items : set) writeAt(writer, item, depth);
  writer.endSet();
}
