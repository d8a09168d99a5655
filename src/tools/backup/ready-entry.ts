import { type PyDict, PyFloat, type PyValue } from "../../../protocol/pickle/values.js";
import { keyToText } from "../../store/json-view.js";
import type { BackupEntry } from "./format.js";

/** A key of a backup as it is to be set now. */
export interface ReadyEntry {
  /** As text, for people. */
  readonly key: string;
  readonly storedKey: PyValue;
  /** The value dict, without the index. */
  readonly dict: PyDict;
  /** Where it is a str under a str key; else null. */
  readonly text: string | null;
  /** Seconds until it expires; null: never. */
  readonly leftSec: number | null;
  /** Null: to be set. */
  readonly fate: "expired" | null;
}

/**
 * A key with a time to live keeps the moment at which it ends: one whose time is over is left out.
 * With `renewTtl` it gets all of its time again.
 */
export function prepare(
  entry: BackupEntry,
  { nowSec, renewTtl }: { readonly nowSec: number; readonly renewTtl: boolean },
): ReadyEntry {
  const dict = dictOf(entry);
  dict.delete("index");
  const [expire, updated] = [dict.get("expire"), dict.get("updated")];
  if (renewTtl && expire instanceof PyFloat && updated instanceof PyFloat) {
    dict.set("expire", new PyFloat(nowSec + expire.value - updated.value));
    dict.set("updated", new PyFloat(nowSec));
  }
  const end = dict.get("expire");
  const leftSec = end instanceof PyFloat ? end.value - nowSec : null;
  const value = dict.get("value");
  return {
    key: keyToText(entry.key),
    storedKey: entry.key,
    dict,
    text: typeof entry.key === "string" && typeof value === "string" ? value : null,
    leftSec,
    fate: leftSec !== null && leftSec <= 0 ? "expired" : null,
  };
}

/** The value dict as it was stored. */
export function dictOf(entry: BackupEntry): PyDict {
  if (entry.kind === "odd") return new Map(entry.dict);
  const { value, updated, created, expire, index } = entry;
  return new Map<PyValue, PyValue>([
    ["value", value],
    ["updated", new PyFloat(updated)],
    ["created", new PyFloat(created)],
    ...(expire === null ? [] : [["expire", new PyFloat(expire)] as const]),
    ["index", index],
  ]);
}
