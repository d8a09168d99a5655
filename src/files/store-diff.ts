import { type KvEntryJson, keyToText, toJson } from "../store/json-view.js";
import type { Store } from "../store/store.js";

export interface KeyDifference {
  readonly key: string;
  readonly change: "added" | "removed" | "changed";
  readonly before: KvEntryJson | null;
  readonly after: KvEntryJson | null;
}

/** A store's content under its keys' texts, to be compared later. */
export type StorePicture = ReadonlyMap<string, KvEntryJson>;

export function pictureOf(store: Store): StorePicture {
  const picture = new Map<string, KvEntryJson>();
  for (const [key, dict] of store.entries()) picture.set(keyToText(key), toJson(dict));
  return picture;
}

/** What is different in `after`, in the order of the keys. */
export function differencesOf(before: StorePicture, after: StorePicture): KeyDifference[] {
  const found: KeyDifference[] = [];
  for (const [key, entry] of after) {
    const old = before.get(key) ?? null;
    if (old === null) found.push({ key, change: "added", before: null, after: entry });
    else if (JSON.stringify(old) !== JSON.stringify(entry)) {
      found.push({ key, change: "changed", before: old, after: entry });
    }
  }
  for (const [key, entry] of before) {
    if (!after.has(key)) found.push({ key, change: "removed", before: entry, after: null });
  }
  return found.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}
