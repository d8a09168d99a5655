import { open } from "node:fs/promises";
import { Storage } from "../../src/storage/storage.js";

/**
 * Loaded into a member before its own code (`node --import`), breaks it on purpose: a check that finds
 * nothing here finds nothing anywhere. BROKEN says how.
 */
export type Breakage =
  /** Files are not synced: fdatasync is never called. */
  | "files"
  /** Names are not synced: fsync is never called. */
  | "names"
  /** Everything is synced, and taken for durable before. */
  | "early";

const how = process.env["BROKEN"];
const handle = await open("/dev/null");
const prototype: unknown = Object.getPrototypeOf(handle);
await handle.close();
if (how === "files") replace("datasync");
if (how === "names") replace("sync");
if (how === "early") {
  const write = Storage.prototype.write;
  Storage.prototype.write = function (this: Storage, ops) {
    write.call(this, ops).catch(() => {});
    return Promise.resolve();
  };
}

function replace(method: string): void {
  if (typeof prototype !== "object" || prototype === null) throw new Error("no file handle");
  Object.defineProperty(prototype, method, { value: async () => {} });
}
