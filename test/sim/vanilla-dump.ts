import { gunzipSync, gzipSync } from "node:zlib";
import { type Dump, DumpEncoder, parseDump } from "../../protocol/files/dump-format.js";
import type { Entry } from "../../protocol/log/entry.js";
import { decodePickle } from "../../protocol/pickle/decoder.js";
import { pickleDumpLimits } from "../../protocol/pickle/limits.js";
import type { Store } from "../../src/store/store.js";

/** A dump file's bytes. */
export function encodeDump(
  store: Store,
  end: { readonly last: Entry; readonly previous: Entry; readonly members: readonly string[] },
): Uint8Array {
  const encoder = new DumpEncoder(0);
  for (const [key, value] of store.entries()) encoder.add(key, value);
  encoder.finish(end.last, end.previous, [...end.members]);
  return gzipSync(encoder.take(), { level: 1 });
}

export function decodeDump(bytes: Uint8Array): Dump {
  return parseDump(decodePickle(gunzipSync(bytes), pickleDumpLimits));
}
