import type { PyValue } from "../../protocol/pickle/values.js";
import { matchCost, prefixMatcher } from "./python-key.js";
import { keyOf, type StoredRecord } from "./record.js";

/** What a recursive delete would remove. */
export interface FoundKeys {
  readonly ids: readonly string[];
  readonly bytes: number;
  readonly expiringBytes: number;
  readonly matches: (key: PyValue) => boolean;
}

/**
 * Looks for the keys that begin with the prefix, in slices of about a millisecond. The records must not
 * change before it has come to its end.
 *
 * @throws PythonRaise where one of the keys makes Python raise (see startsWith).
 */
export function* findKeys(
  records: ReadonlyMap<string, StoredRecord>,
  prefix: PyValue,
  keysPerSlice: number,
): Generator<void, FoundKeys> {
  const matches = prefixMatcher(prefix);
  const cost = matchCost(prefix);
  const ids: string[] = [];
  let [bytes, expiringBytes, spent] = [0, 0, 0];
  for (const [id, record] of records) {
    spent += cost;
    if (spent > keysPerSlice) {
      spent = cost;
      yield;
    }
    if (!matches(keyOf(id, record))) continue;
    ids.push(id);
    bytes += record.weight;
    if (record.timed !== null) expiringBytes += record.weight;
  }
  return { ids, bytes, expiringBytes, matches };
}

/**
 * Keys that a recursive delete has removed, and that the store's Map still holds: it takes long to take
 * hundreds of thousands out of it.
 */
export class LeavingKeys {
  readonly #found: FoundKeys;
  readonly #keysPerSlice: number;
  #nextAt = 0;

  constructor(found: FoundKeys, keysPerSlice: number) {
    this.#found = found;
    this.#keysPerSlice = keysPerSlice;
  }

  /** How many are still held. */
  get count(): number {
    return this.#found.ids.length - this.#nextAt;
  }

  /** Whether a record that the Map holds is one of them. */
  has(id: string, record: StoredRecord): boolean {
    return this.#found.matches(keyOf(id, record));
  }

  /** The ids of those that go now. */
  take(): readonly string[] {
    const from = this.#nextAt;
    this.#nextAt = Math.min(from + this.#keysPerSlice, this.#found.ids.length);
    return this.#found.ids.slice(from, this.#nextAt);
  }
}
