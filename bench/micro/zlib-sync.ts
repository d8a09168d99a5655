import { createRequire } from "node:module";

/** The part of zlib-sync that is measured. */
interface ZlibSync {
  readonly Z_SYNC_FLUSH: number;
  readonly Inflate: new () => {
    push(data: Uint8Array, flush: number): void;
    readonly result: unknown;
  };
}

/**
 * zlib-sync is compiled when it is installed, so it is no dependency: it is measured where somebody has
 * put it there (`npm install --no-save zlib-sync`). Null otherwise.
 */
export const zlibSync: ((stream: Uint8Array) => Record<string, () => unknown>) | null = load();

function load() {
  let found: ZlibSync;
  try {
    found = createRequire(import.meta.url)("zlib-sync") as ZlibSync;
  } catch {
    return null;
  }
  return (stream: Uint8Array) => ({
    "inflate zlib-sync": () => {
      const inflate = new found.Inflate();
      inflate.push(Buffer.from(stream), found.Z_SYNC_FLUSH);
      return inflate.result;
    },
  });
}
