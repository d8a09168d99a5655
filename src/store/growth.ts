import type { KvCall } from "./python-call.js";
import { keyId } from "./python-key.js";
import { deadlineOf, keyOf, makeRecord, type StoredRecord } from "./record.js";
import { weightOf } from "./weight.js";

/** What a command would add to a store. */
export interface Growth {
  readonly bytes: number;
  /** Its key is not there yet, or would have gone by itself and is to stay. */
  readonly isNew: boolean;
  /** Its value has a time to live. */
  readonly expires: boolean;
}

/**
 * What the call would add if it were applied now and its conditions held.
 *
 * @param recordOf What is stored under the id of a key.
 * @returns null where it would add nothing.
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
  // As it will be stored, with the index that it is given then.
  const record = makeRecord(call.key, id, new Map(dict).set("index", 0));
  const old = recordOf(id);
  const expires = deadlineOf(record) !== null;
  const isNew = old === undefined || (!expires && deadlineOf(old) !== null);
  const bytes = weightOf(keyOf(id, record), record) - (isNew ? 0 : old.weight);
  return bytes <= 0 ? null : { bytes, isNew, expires };
}
