import {
  PyFloat,
  PyFrozenSet,
  PyInstance,
  PyOrderedDict,
  PySurrogateStr,
  PyTuple,
  type PyValue,
} from "../../../protocol/pickle/values.js";

/** A string that is the same for two values only where Python has them equal with equal types. */
export function strictForm(value: PyValue): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return `str${JSON.stringify(value)}`;
  if (typeof value === "number" || typeof value === "bigint") return `${typeof value}${value}`;
  if (value instanceof PyFloat) return `float${Object.is(value.value, -0) ? "-0" : value.value}`;
  if (value instanceof Uint8Array) return `bytes${Buffer.from(value).toString("hex")}`;
  if (value instanceof PySurrogateStr) return `pair${Buffer.from(value.bytes).toString("hex")}`;
  if (Array.isArray(value)) return `list[${value.map(strictForm).join()}]`;
  if (value instanceof PyTuple) return `tuple(${value.items.map(strictForm).join()})`;
  if (value instanceof PyFrozenSet)
    return `frozenset(${value.items.map(strictForm).sort().join()})`;
  if (value instanceof Set) return `set(${[...value].map(strictForm).sort().join()})`;
  if (value instanceof PyInstance) return `${value.className}${strictForm(value.state)}`;
  const kind = value instanceof PyOrderedDict ? "ordered" : "dict";
  return `${kind}{${[...value].map(([k, v]) => `${strictForm(k)}=>${strictForm(v)}`).join()}}`;
}
