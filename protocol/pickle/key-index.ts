import { allocationBytes } from "./limits.js";
import { isPlainKey, pyKey } from "./py-key.js";
import type { PyDict, PySet, PyValue } from "./values.js";

/**
 * Lets dicts and sets under construction hold two keys as one exactly where Python does. A Map
 * does that by itself for strings and for ints; only a container with other keys gets an index.
 */
export class KeyIndex {
  private readonly charsMax: number;
  private readonly allocate: (bytes: number) => void;
  /** Comparable form of each key to the key that stands in the container. */
  private readonly indexes = new Map<object, Map<string, PyValue>>();

  /** `allocate` is told of the memory that the index itself takes, and may throw. */
  constructor(charsMax: number, allocate: (bytes: number) => void) {
    this.charsMax = charsMax;
    this.allocate = allocate;
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
    let index = this.indexes.get(container);
    if (index === undefined) {
      if (typeof key === "number") return key;
      index = new Map();
      for (const old of container.keys()) if (!isPlainKey(old)) this.lookUp(index, old);
      this.indexes.set(container, index);
    }
    return this.lookUp(index, key);
  }

  private lookUp(index: Map<string, PyValue>, key: PyValue): PyValue {
    const comparable = pyKey(key, this.charsMax);
    if (comparable === null) return key;
    const standing = index.get(comparable);
    if (standing !== undefined) return standing;
    this.allocate(allocationBytes.mapItem + allocationBytes.string + comparable.length * 2);
    index.set(comparable, key);
    return key;
  }
}
