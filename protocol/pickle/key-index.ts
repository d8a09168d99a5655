import { createHash } from "node:crypto";
import { allocationBytes, keyCharsPerOp, keysIndexedPerOp, rememberedKeyChars } from "./limits.js";
import { isPlainKey, pyKey } from "./py-key.js";
import type { PyDict, PySet, PyValue } from "./values.js";

/** Told of what the index costs, before it does; each may throw. */
export interface KeyCharge {
  allocate(bytes: number): void;
  work(ops: number): void;
}

/**
 * Lets dicts and sets under construction hold two keys as one exactly where Python does. A Map
 * does that by itself for strings and for ints; only a container with other keys gets an index, and only when it
 * has two: sets within sets would keep as many forms of what the innermost holds.
 */
export class KeyIndex {
  private readonly charsMax: number;
  private readonly charge: KeyCharge;
  /** Comparable form of each key to the key that stands in the container. */
  private readonly indexes = new Map<object, Map<string, PyValue>>();

  constructor(charsMax: number, charge: KeyCharge) {
    this.charsMax = charsMax;
    this.charge = charge;
  }

  /** Python's `dict[key] = value`: an equal key that is there already stays. Throws KeyError. */
  setItem(dict: PyDict, key: PyValue, value: PyValue): void {
    dict.set(isPlainKey(key) ? key : this.standing(dict, key), value);
  }

  /** Python's `set.add(item)`. Throws KeyError. */
  addItem(set: PySet, item: PyValue): void {
    set.add(isPlainKey(item) ? item : this.standing(set, item));
  }

  /** The key that stands for `key` in the container, from now on at the latest. */
  private standing(container: PyDict | PySet, key: PyValue): PyValue {
    const index = this.indexes.get(container);
    if (index !== undefined) return this.lookUp(index, key);
    if (typeof key === "number") return key;
    this.charge.work(Math.floor(container.size / keysIndexedPerOp));
    const others = [...container.keys()].filter((other) => !isPlainKey(other));
    if (others.length === 0) {
      this.formOf(key);
      return key;
    }
    const made = new Map<string, PyValue>();
    for (const other of others) this.lookUp(made, other);
    this.indexes.set(container, made);
    return this.lookUp(made, key);
  }

  private lookUp(index: Map<string, PyValue>, key: PyValue): PyValue {
    const form = this.formOf(key);
    if (form === null) return key;
    const standing = index.get(form);
    if (standing !== undefined) return standing;
    this.charge.allocate(allocationBytes.mapItem + allocationBytes.string + form.length * 2);
    index.set(form, key);
    return key;
  }

  private formOf(key: PyValue): string | null {
    const comparable = pyKey(key, this.charsMax);
    if (comparable === null || comparable.length <= rememberedKeyChars) return comparable;
    this.charge.work(Math.floor(comparable.length / keyCharsPerOp));
    // No comparable form begins so.
    return `#${createHash("sha256").update(Buffer.from(comparable, "utf16le")).digest("base64")}`;
  }
}
