import { compareDepthMax } from "./limits.js";
import { pyKey } from "./py-key.js";
import {
  type PyDict,
  PyFloat,
  PyFrozenSet,
  PyInstance,
  PyOrderedDict,
  PySurrogateStr,
  PyTuple,
  type PyValue,
} from "./values.js";

/**
 * Python's `a == b`: `1 == 1.0 == True`, a NaN equals nothing (but a container's member equals
 * itself), lists equal lists only, a set equals a frozenset, OrderedDicts have an order, Nodes compare by id.
 */
export function pyEquals(a: PyValue, b: PyValue): boolean {
  return equalAt(a, b, 0);
}

/** The int that a bool or a float equals; other values stay as they are. */
export function asInt(value: PyValue): PyValue {
  if (typeof value === "boolean") return Number(value);
  return value instanceof PyFloat && Number.isSafeInteger(value.value) ? value.value + 0 : value;
}

/** Python's `bool(value)`. */
export function pyTruthy(value: PyValue): boolean {
  if (value === null || typeof value !== "object") return Boolean(value);
  if (value instanceof PyFloat) return value.value !== 0;
  if (value instanceof Uint8Array || Array.isArray(value)) return value.length > 0;
  if (value instanceof PyTuple || value instanceof PyFrozenSet) return value.items.length > 0;
  if (value instanceof Map || value instanceof Set) return value.size > 0;
  return true;
}

function equalAt(a: PyValue, b: PyValue, depth: number): boolean {
  if (typeof a === "string" || a === null) return a === b;
  const left = numeric(a);
  if (left !== null) {
    const right = numeric(b);
    return right !== null && sameNumber(left, right);
  }
  if (b === null || typeof b !== "object") return false;
  if (depth > compareDepthMax) throw new Error("values nested too deeply to compare");
  return equalObjects(a, b, depth);
}

function numeric(value: PyValue): number | bigint | null {
  if (typeof value === "number" || typeof value === "bigint") return value;
  if (typeof value === "boolean") return value ? 1 : 0;
  return value instanceof PyFloat ? value.value : null;
}

function sameNumber(a: number | bigint, b: number | bigint): boolean {
  if (typeof a === typeof b) return a === b;
  // A float against an int beyond the safe ones: exact, as in Python.
  if (typeof a === "number") return Number.isInteger(a) && BigInt(a) === b;
  return typeof b === "number" && Number.isInteger(b) && BigInt(b) === a;
}

function equalObjects(a: PyValue, b: PyValue & object, depth: number): boolean {
  if (a instanceof Uint8Array) return b instanceof Uint8Array && sameBytes(a, b);
  if (a instanceof PySurrogateStr)
    return b instanceof PySurrogateStr && sameBytes(a.bytes, b.bytes);
  if (Array.isArray(a)) return Array.isArray(b) && equalItems(a, b, depth);
  if (a instanceof PyTuple) return b instanceof PyTuple && equalItems(a.items, b.items, depth);
  if (a instanceof Map) {
    if (!(b instanceof Map && equalDicts(a, b, depth))) return false;
    const isOrdered = a instanceof PyOrderedDict && b instanceof PyOrderedDict;
    return !isOrdered || equalItems([...a.keys()], [...b.keys()], depth);
  }
  const members = membersOf(a);
  if (members !== null) {
    const others = membersOf(b);
    return others !== null && equalMembers(members, others);
  }
  if (!(a instanceof PyInstance && b instanceof PyInstance)) return false;
  const id = a.state.get("_id");
  const otherId = b.state.get("_id");
  if (id === undefined || otherId === undefined) return a === b;
  return equalMember(id, otherId, depth + 1);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** Python takes a member to equal itself before it asks the member, so `[nan] == [nan]` may hold. */
function equalMember(a: PyValue, b: PyValue, depth: number): boolean {
  return a === b || equalAt(a, b, depth);
}

function equalItems(a: readonly PyValue[], b: readonly PyValue[], depth: number): boolean {
  if (a.length !== b.length) return false;
  return a.every((item, index) => equalMember(item, b[index] ?? null, depth + 1));
}

function equalDicts(a: PyDict, b: PyDict, depth: number): boolean {
  if (a.size !== b.size) return false;
  let index: Map<string | PyValue, PyValue> | null = null;
  for (const [key, value] of a) {
    let other = b.get(key);
    if (other === undefined && typeof key !== "string") {
      index ??= new Map([...b].map(([otherKey, item]) => [pyKey(otherKey) ?? otherKey, item]));
      other = index.get(pyKey(key) ?? key);
    }
    if (other === undefined || !equalMember(value, other, depth + 1)) return false;
  }
  return true;
}

function membersOf(value: PyValue): readonly PyValue[] | null {
  if (value instanceof Set) return [...value];
  return value instanceof PyFrozenSet ? value.items : null;
}

function equalMembers(a: readonly PyValue[], b: readonly PyValue[]): boolean {
  const inB = new Set(b.map((item) => pyKey(item) ?? item));
  return a.length === b.length && a.every((item) => inB.has(pyKey(item) ?? item));
}
