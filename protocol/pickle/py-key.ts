import { isInstanceClass } from "./globals.js";
import { compareDepthMax } from "./limits.js";
import {
  PyByteArray,
  PyFloat,
  PyFrozenSet,
  PyInstance,
  PySurrogateStr,
  PyTuple,
  type PyValue,
} from "./values.js";

/** Why a value cannot be a key: Python cannot hash it, or it is larger than the caller allows. */
export class KeyError extends Error {
  readonly reason: "unhashable" | "too-large";

  constructor(reason: "unhashable" | "too-large") {
    super(`${reason} dict key or set member`);
    this.name = "KeyError";
    this.reason = reason;
  }
}

/**
 * A string that is the same for two values exactly where Python holds them equal as dict keys
 * (`1 == 1.0 == True`), or null for what holds a NaN, which equals nothing. Throws KeyError for a
 * bytearray, list, dict or set, and where more than `charsMax` characters would be needed.
 */
export function pyKey(value: PyValue, charsMax = Number.POSITIVE_INFINITY): string | null {
  return new KeyBuilder(charsMax).keyOf(value, 0);
}

/** Whether a Map or Set holds two such keys as one exactly where Python does. */
export function isPlainKey(value: PyValue): boolean {
  return typeof value === "string" || value === null;
}

class KeyBuilder {
  private charsLeft: number;

  constructor(charsMax: number) {
    this.charsLeft = charsMax;
  }

  keyOf(value: PyValue, depth: number): string | null {
    this.spend(value);
    if (typeof value === "string") return `s${value}`;
    if (typeof value === "number" || typeof value === "bigint") return `n${value}`;
    if (typeof value === "boolean") return value ? "n1" : "n0";
    if (value === null) return "N";
    if (value instanceof PyFloat) return floatKey(value.value);
    if (value instanceof PyByteArray) throw new KeyError("unhashable");
    if (value instanceof Uint8Array) return `b${Buffer.from(value).toString("latin1")}`;
    if (value instanceof PySurrogateStr) return `u${Buffer.from(value.bytes).toString("latin1")}`;
    if (depth >= compareDepthMax) throw new KeyError("too-large");
    if (value instanceof PyTuple) return joined("t", this.keysOf(value.items, depth));
    if (value instanceof PyFrozenSet) return joined("f", this.keysOf(value.items, depth)?.sort());
    if (value instanceof PyInstance) return this.instanceKey(value, depth);
    throw new KeyError("unhashable");
  }

  /** Counts before anything is built: shared references could make a key of any size. */
  private spend(value: PyValue): void {
    this.charsLeft -= 8;
    if (typeof value === "string" || value instanceof Uint8Array) this.charsLeft -= value.length;
    if (this.charsLeft < 0) throw new KeyError("too-large");
  }

  private keysOf(items: readonly PyValue[], depth: number): string[] | null {
    const keys: string[] = [];
    for (const item of items) {
      const key = this.keyOf(item, depth + 1);
      if (key === null) return null;
      keys.push(key);
    }
    return keys;
  }

  /** Nodes are equal where their ids are, whatever their class (Node.__eq__, pysyncobj/node.py). */
  private instanceKey(value: PyInstance, depth: number): string | null {
    const id = value.state.get("_id");
    if (!isInstanceClass(value.className) || id === undefined) throw new KeyError("unhashable");
    const key = this.keyOf(id, depth + 1);
    return key === null ? null : `i${key}`;
  }
}

function floatKey(value: number): string | null {
  if (Number.isNaN(value)) return null;
  if (Number.isSafeInteger(value)) return `n${value}`;
  return Number.isInteger(value) ? `n${BigInt(value)}` : `r${value}`;
}

/** Each key with its length before it: no member can look like the border between two. */
function joined(kind: string, keys: readonly string[] | null | undefined): string | null {
  if (keys === null || keys === undefined) return null;
  return `${kind}${keys.length};${keys.map((key) => `${key.length}:${key}`).join("")}`;
}
