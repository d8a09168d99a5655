import { pyKey } from "../../protocol/pickle/py-key.js";
import {
  PyFloat,
  PyFrozenSet,
  PyInstance,
  PySurrogateStr,
  PyTuple,
  type PyValue,
} from "../../protocol/pickle/values.js";
import { PythonRaise } from "./python-raise.js";

/**
 * A Python dict finds a key by hash and equality: 1, 1.0 and True are one key. A JavaScript Map
 * finds objects by identity. So keys are looked up by an id: two keys have the same id exactly
 * where Python takes them for the same key. The id of a str is the str itself; every other id
 * begins with NUL, and a str that does so too is escaped.
 */
const mark = "\u0000";
/** No key of another type than str has a comparable form that begins with "e". */
const strMark = `${mark}e`;

/** Numbers the keys that are equal to nothing (nan). */
let loneKeys = 0;

/** @throws UnhashableError where Python's hash() raises. */
export function keyId(key: PyValue): string {
  if (typeof key === "string") return key.charCodeAt(0) === 0 ? strMark + key : key;
  const comparable = pyKey(key);
  if (comparable !== null) return mark + comparable;
  loneKeys += 1;
  return `${mark}x${loneKeys}`;
}

/** True where the id alone does not tell the key, so that the record has to hold it. */
export function isMarked(id: string): boolean {
  return id.charCodeAt(0) === 0;
}

export function isStr(value: PyValue): value is string | PySurrogateStr {
  return typeof value === "string" || value instanceof PySurrogateStr;
}

/**
 * Python's `key.startswith(prefix)`, where a prefix may also be a tuple of prefixes.
 *
 * @throws PythonRaise where the key has no startswith or the prefix has the wrong type.
 */
export function startsWith(key: PyValue, prefix: PyValue): boolean {
  if (!isStr(key) && !(key instanceof Uint8Array)) {
    throw new PythonRaise(`AttributeError: a ${pyTypeName(key)} key has no startswith`);
  }
  if (!(prefix instanceof PyTuple)) return startsWithOne(key, prefix);
  return prefix.items.some((item) => startsWithOne(key, item));
}

function startsWithOne(key: string | PySurrogateStr | Uint8Array, prefix: PyValue): boolean {
  if (key instanceof Uint8Array) {
    if (prefix instanceof Uint8Array) return bytesStartWith(key, prefix);
  } else if (typeof key === "string" && typeof prefix === "string") {
    return key.startsWith(prefix) && !splitsPair(key, prefix.length);
  } else if (isStr(prefix)) {
    const points = codePoints(key);
    return codePoints(prefix).every((point, at) => points[at] === point);
  }
  const types = `${pyTypeName(key)}.startswith(${pyTypeName(prefix)})`;
  throw new PythonRaise(`TypeError: ${types}`);
}

function bytesStartWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return prefix.length <= bytes.length && prefix.every((byte, at) => bytes[at] === byte);
}

/** True where `at` lies inside a surrogate pair: Python sees one character there, not two halves. */
function splitsPair(text: string, at: number): boolean {
  return (
    at > 0 &&
    at < text.length &&
    (text.charCodeAt(at - 1) & 0xfc00) === 0xd800 &&
    (text.charCodeAt(at) & 0xfc00) === 0xdc00
  );
}

/** The characters of a str as Python counts them, each as a str of its own. */
export function codePoints(text: string | PySurrogateStr): string[] {
  if (typeof text === "string") return Array.from(text);
  const points: string[] = [];
  const bytes = text.bytes;
  for (let at = 0; at < bytes.length; ) {
    const lead = bytes[at] ?? 0;
    const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    let point = length === 1 ? lead : lead & (0x7f >> length);
    for (let next = 1; next < length; next += 1) {
      point = (point << 6) | ((bytes[at + next] ?? 0) & 0x3f);
    }
    points.push(String.fromCodePoint(point));
    at += length;
  }
  return points;
}

/** The name of a value's Python type, for messages. */
export function pyTypeName(value: PyValue): string {
  if (value === null) return "NoneType";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number" || typeof value === "bigint") return "int";
  if (value instanceof PyFloat) return "float";
  if (isStr(value)) return "str";
  if (value instanceof Uint8Array) return "bytes";
  if (value instanceof PyTuple) return "tuple";
  if (value instanceof PyFrozenSet) return "frozenset";
  if (value instanceof PyInstance) return value.className;
  if (value instanceof Map) return "dict";
  return value instanceof Set ? "set" : "list";
}
