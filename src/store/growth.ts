import { type PyDict, PyFloat, type PyValue } from "../../protocol/pickle/values.js";
import { growthPerByteMost, growthSpareBytes } from "./limits.js";
import type { KvCall } from "./python-call.js";
import { keyId } from "./python-key.js";
import { deadlineOf, keyOf, makeRecord, type StoredRecord } from "./record.js";
import { weightOf } from "./weight.js";

/** What a command that sets a key would do to a store's data. */
export interface Growth {
  /** What it would add: less than nothing where it makes them less. */
  readonly bytes: number;
  /** What it would add to what is held, and no more: a key that is to stay now is not held twice. */
  readonly delta: number;
  /** What key and value count for, whatever is there now. */
  readonly weight: number;
  /** Its key is not there yet, or would have gone by itself and is to stay. */
  readonly isNew: boolean;
  /** Its value has a time to live. */
  readonly expires: boolean;
}

/**
 * What the call would add if it were applied now and its conditions held.
 *
 * @param recordOf What is stored under the id of a key.
 * @returns null where it sets nothing.
 * @throws Whatever is wrong with the call: `refusalOf` tells of that.
 */
export function growthOf(
  call: KvCall | null,
  recordOf: (id: string) => StoredRecord | undefined,
): Growth | null {
  if (call?.kind !== "set" && call?.kind !== "plain-set") return null;
  const id = keyId(call.key);
  const dict = call.kind === "plain-set" ? call.toDict() : call.value;
  if (!(dict instanceof Map)) return null;
  const old = recordOf(id);
  // An equal key that is there stays (1 where 1.0 is set), with what it takes.
  const key = old === undefined ? call.key : keyOf(id, old);
  // As it will be stored, with the index that it is given then.
  const record = makeRecord(key, id, new Map(dict).set("index", 0));
  const expires = deadlineOf(record) !== null;
  const isNew = old === undefined || (!expires && deadlineOf(old) !== null);
  const weight = Math.max(weightOf(keyOf(id, record), record), weightAsUpdate(key, id, dict));
  const delta = weight - (old?.weight ?? 0);
  return { bytes: isNew ? weight : delta, delta, weight, isNew, expires };
}

/**
 * What it counts for where a value is there already that came at another time: `updated` is stored as `created`
 * as well then. That may be so when the call is applied, whatever is there now.
 */
function weightAsUpdate(key: PyValue, id: string, dict: PyDict): number {
  const updated = dict.get("updated");
  // All numbers count for the same.
  if (updated === undefined || updated instanceof PyFloat) return 0;
  const stored = makeRecord(key, id, new Map(dict).set("created", updated).set("index", 0));
  return weightOf(keyOf(id, stored), stored);
}

/**
 * No command of so many bytes can add more, whatever it holds: by the limits of its pickle (commandPickleLimits)
 * a text counts for three times its bytes at most, other values for eight times what they may take in memory; and
 * `updated` may be nearly all of it, and is stored twice.
 */
export function growthBytesMost(commandBytes: number): number {
  return 2 * (growthPerByteMost * commandBytes + growthSpareBytes);
}
