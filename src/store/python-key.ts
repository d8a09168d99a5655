import { pickleMessageLimits } from "../../protocol/pickle/limits.js";
import { pyKey } from "../../protocol/pickle/py-key.js";
import { encodeUtf8WithSurrogates } from "../../protocol/pickle/text.js";
import {
  PyByteArray,
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

/**
 * @throws KeyError where Python's hash() raises, and where the key is no str and larger than one of a dict in a pickle
 *   may be: a dump of it could not be read.
 */
export function keyId(key: PyValue): string {
  if (typeof key === "string") return key.charCodeAt(0) === 0 ? strMark + key : key;
  const comparable = pyKey(key, pickleMessageLimits.keyCharsMax);
  if (comparable !== null) return mark + comparable;
  loneKeys += 1;
  return `${mark}x${loneKeys}`;
}

/** The str that the id stands for; null where it stands for something else. */
export function textOfId(id: string): string | null {
  if (!isMarked(id)) return id;
  return id.startsWith(strMark) ? id.slice(strMark.length) : null;
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

/**
 * `startsWith` for many keys: a prefix may be a tuple of thousands, and each key of the store is asked.
 *
 * @throws as `startsWith`, when a key is asked.
 */
export function prefixMatcher(prefix: PyValue): (key: PyValue) => boolean {
  if (!(prefix instanceof PyTuple)) return (key) => startsWith(key, prefix);
  const special = prefix.items.findIndex((item) => typeof item !== "string" || endsInPair(item));
  const count = special === -1 ? prefix.items.length : special;
  const plain = withoutLonger(
    prefix.items.slice(0, count).filter((item) => typeof item === "string"),
  );
  const rest = prefix.items.slice(count);
  const asBytes = bytesMatcher(prefix.items);
  return (key) => {
    if (key instanceof PySurrogateStr) return asBytes(key);
    if (typeof key !== "string") return startsWith(key, prefix);
    return startsWithAny(key, plain) || rest.some((item) => startsWithOne(key, item));
  };
}

/** `startsWith` for keys that are held as bytes: the texts are encoded once, when the first such key is asked. */
function bytesMatcher(items: readonly PyValue[]): (key: PySurrogateStr) => boolean {
  const wrong = items.find((item) => !isStr(item));
  let sorted: readonly Uint8Array[] | null = null;
  return (key) => {
    sorted ??= withoutLongerBytes(textsBefore(items, wrong).map(encodedText));
    if (bytesStartWithAny(key.bytes, sorted)) return true;
    // As in Python, which asks one after the other.
    return wrong !== undefined && startsWithOne(key, wrong);
  };
}

function textsBefore(
  items: readonly PyValue[],
  wrong: PyValue | undefined,
): readonly (string | PySurrogateStr)[] {
  return (wrong === undefined ? items : items.slice(0, items.indexOf(wrong))).filter(isStr);
}

/** About how many times as long as with one prefix it takes to ask a key. */
export function matchCost(prefix: PyValue): number {
  if (!(prefix instanceof PyTuple)) return 1;
  return 1 + prefix.items.filter((item) => typeof item !== "string" || endsInPair(item)).length;
}

/** A str, or a tuple of them: what keys that are all str can be asked for without raising. */
export function isTextPrefix(prefix: PyValue): boolean {
  if (!(prefix instanceof PyTuple)) return isStr(prefix);
  return prefix.items.length > 0 && prefix.items.every(isStr);
}

/** Its last character may be half of one in a key. */
function endsInPair(text: string): boolean {
  return (text.charCodeAt(text.length - 1) & 0xfc00) === 0xd800;
}

/** Sorted, and without those that begin with another one. */
function withoutLonger(prefixes: readonly string[]): readonly string[] {
  const kept: string[] = [];
  for (const prefix of [...prefixes].sort()) {
    const last = kept.at(-1);
    if (last === undefined || !prefix.startsWith(last)) kept.push(prefix);
  }
  return kept;
}

/** Between a key's prefix and the key stand only strings that begin with that prefix as well. */
function startsWithAny(key: string, sorted: readonly string[]): boolean {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((sorted[middle] ?? "") <= key) from = middle + 1;
    else to = middle;
  }
  const closest = sorted[from - 1];
  return closest !== undefined && key.startsWith(closest);
}

/** As `withoutLonger`. */
function withoutLongerBytes(prefixes: readonly Uint8Array[]): readonly Uint8Array[] {
  const kept: Uint8Array[] = [];
  for (const prefix of [...prefixes].sort(Buffer.compare)) {
    const last = kept.at(-1);
    if (last === undefined || !bytesStartWith(prefix, last)) kept.push(prefix);
  }
  return kept;
}

/** As `startsWithAny`. */
function bytesStartWithAny(key: Uint8Array, sorted: readonly Uint8Array[]): boolean {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (Buffer.compare(sorted[middle] ?? key, key) <= 0) from = middle + 1;
    else to = middle;
  }
  const closest = sorted[from - 1];
  return closest !== undefined && bytesStartWith(key, closest);
}

function startsWithOne(key: string | PySurrogateStr | Uint8Array, prefix: PyValue): boolean {
  if (key instanceof Uint8Array) {
    if (prefix instanceof Uint8Array && !(prefix instanceof PyByteArray))
      return bytesStartWith(key, prefix);
  } else if (typeof key === "string" && typeof prefix === "string") {
    return key.startsWith(prefix) && !splitsPair(key, prefix.length);
  } else if (typeof key === "string") {
    // Two halves that stand for themselves, side by side, are in no str that is held as a string.
    if (prefix instanceof PySurrogateStr) return false;
  } else if (isStr(prefix)) return textStartsWith(key.bytes, prefix);
  const types = `${pyTypeName(key)}.startswith(${pyTypeName(prefix)})`;
  throw new PythonRaise(`TypeError: ${types}`);
}

/**
 * A character's bytes are no other's beginning, so that texts begin alike where their bytes do. Of megabytes of
 * characters each could be looked at by itself, but not within a turn of the loop.
 */
function textStartsWith(key: Uint8Array, prefix: string | PySurrogateStr): boolean {
  if (prefix instanceof PySurrogateStr) return bytesStartWith(key, prefix.bytes);
  // No text has fewer bytes than UTF-16 units.
  if (prefix.length > key.length) return false;
  if (prefix !== encoded.text) encoded = { text: prefix, bytes: encodedText(prefix) };
  return bytesStartWith(key, encoded.bytes);
}

function encodedText(text: string | PySurrogateStr): Uint8Array {
  return text instanceof PySurrogateStr ? text.bytes : encodeUtf8WithSurrogates(text);
}

/** The last prefix: many keys are asked one after the other. */
let encoded: { readonly text: string; readonly bytes: Uint8Array } = {
  ...{ text: "", bytes: new Uint8Array() },
};

function bytesStartWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  if (prefix.length > bytes.length) return false;
  return Buffer.compare(bytes.subarray(0, prefix.length), prefix) === 0;
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

/** The characters of a str as Python counts them, each as a str of its own, one after the other. */
export function* characters(text: string | PySurrogateStr): Generator<string, void> {
  if (typeof text === "string") {
    yield* text;
    return;
  }
  const bytes = text.bytes;
  for (let at = 0; at < bytes.length; ) {
    const lead = bytes[at] ?? 0;
    const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    let point = length === 1 ? lead : lead & (0x7f >> length);
    for (let next = 1; next < length; next += 1) {
      point = (point << 6) | ((bytes[at + next] ?? 0) & 0x3f);
    }
    yield String.fromCodePoint(point);
    at += length;
  }
}

/** The name of a value's Python type, for messages. */
export function pyTypeName(value: PyValue): string {
  if (value === null) return "NoneType";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number" || typeof value === "bigint") return "int";
  if (value instanceof PyFloat) return "float";
  if (isStr(value)) return "str";
  if (value instanceof PyByteArray) return "bytearray";
  if (value instanceof Uint8Array) return "bytes";
  if (value instanceof PyTuple) return "tuple";
  if (value instanceof PyFrozenSet) return "frozenset";
  if (value instanceof PyInstance) return value.className;
  if (value instanceof Map) return "dict";
  return value instanceof Set ? "set" : "list";
}
