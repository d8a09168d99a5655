import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  PyFloat,
  PyFrozenSet,
  PyInstance,
  PySurrogateStr,
  PyTuple,
  type PyValue,
} from "../../protocol/pickle/values.js";

/** The JSON encoding of Python values: see protocol/vectors/README.md. */
export type VectorJson =
  | null
  | boolean
  | number
  | string
  | readonly VectorJson[]
  | { readonly [key: string]: VectorJson };

export const vectorVersions = ["0.3.8", "0.3.11", "0.3.14", "0.3.15", "0.3.16", "0.3.17"] as const;

/** Longer strings and byte strings are given by their digest. */
const plainLengthMax = 2048;

const folder = join(projectFolder(), "protocol", "vectors");

export function vectorBytes(...path: readonly string[]): Uint8Array {
  return readFileSync(join(folder, ...path));
}

/** A manifest; its shape is the caller's claim, which the tests would show to be wrong. */
export function vectorManifest<T>(...path: readonly string[]): T {
  return JSON.parse(readFileSync(join(folder, ...path), "utf8")) as T;
}

export function bytesOf(json: VectorJson): Uint8Array {
  if (json === null || typeof json !== "object" || !("$bytes" in json)) {
    throw new Error(`no bytes: ${JSON.stringify(json)}`);
  }
  return Buffer.from(String(json["$bytes"]), "base64");
}

/**
 * Brings a manifest's value into the form that {@link toJson} gives: floats as JavaScript prints
 * them, sets in an order of their own.
 */
export function canonical(json: VectorJson): VectorJson {
  if (json === null || typeof json !== "object") return json;
  if (Array.isArray(json)) return json.map(canonical);
  const entries = Object.entries(json).map(([key, value]): [string, VectorJson] => {
    if (key === "$float") return [key, floatText(pythonFloat(String(value)))];
    const inner = canonical(value);
    const isSet = key === "$set" || key === "$frozenset";
    return [key, isSet && Array.isArray(inner) ? sorted(inner) : inner];
  });
  return Object.fromEntries(entries);
}

export function toJson(value: PyValue): VectorJson {
  if (value === null || typeof value === "boolean" || typeof value === "number") return value;
  if (typeof value === "bigint") return { $int: String(value) };
  if (typeof value === "string") return textJson(value);
  if (value instanceof Uint8Array) return bytesJson(value);
  if (value instanceof PyFloat) return { $float: floatText(value.value) };
  if (value instanceof PySurrogateStr) return { $surrogates: base64(value.bytes) };
  if (value instanceof PyTuple) return { $tuple: value.items.map(toJson) };
  if (value instanceof PyFrozenSet) return { $frozenset: sorted(value.items.map(toJson)) };
  if (value instanceof PyInstance) {
    return { $instance: value.className, state: toJson(value.state) };
  }
  if (Array.isArray(value)) return value.map(toJson);
  if (value instanceof Set) return { $set: sorted(Array.from(value, toJson)) };
  return { $dict: Array.from(value, ([key, item]) => [toJson(key), toJson(item)]) };
}

export function assertSame(value: PyValue, expected: VectorJson, what: string): void {
  assert.deepEqual(toJson(value), canonical(expected), what);
}

/** 0.3.8 keeps a resolved address in its nodes; later versions, and we, do not. */
export function withoutResolvedAddress(json: VectorJson): VectorJson {
  if (json === null || typeof json !== "object") return json;
  if (Array.isArray(json)) {
    return json.filter((item) => !isResolvedAddress(item)).map(withoutResolvedAddress);
  }
  const entries = Object.entries(json);
  return Object.fromEntries(entries.map(([key, item]) => [key, withoutResolvedAddress(item)]));
}

function isResolvedAddress(json: VectorJson): boolean {
  return Array.isArray(json) && json[0] === "_TCPNode__ip";
}

export function bytesJson(bytes: Uint8Array): VectorJson {
  return bytes.length > plainLengthMax ? digest(bytes, "bytes") : { $bytes: base64(bytes) };
}

function textJson(text: string): VectorJson {
  const bytes = Buffer.from(text, "utf8");
  return bytes.length > plainLengthMax ? digest(bytes, "str") : text;
}

function digest(bytes: Uint8Array, of: string): VectorJson {
  const $digest = createHash("sha256").update(bytes).digest("hex");
  return { $digest, of, length: bytes.length };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

function floatText(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

function pythonFloat(text: string): number {
  if (text === "nan") return Number.NaN;
  return Number(text.replace("inf", "Infinity"));
}

function sorted(items: readonly VectorJson[]): VectorJson[] {
  return items.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

/** The tests run from a build folder; the vectors lie in the sources. */
function projectFolder(): string {
  const starts = [dirname(fileURLToPath(import.meta.url)), process.cwd()];
  for (const start of starts) {
    for (let at = start; at !== dirname(at); at = dirname(at)) {
      try {
        readFileSync(join(at, "protocol", "vectors", "README.md"));
        return at;
      } catch {
        // One folder up, then.
      }
    }
  }
  throw new Error(`no protocol/vectors above ${starts.join(" or ")}`);
}
