import { open } from "node:fs/promises";
import { NodeFileHandle } from "../../src/storage/node-file-handle.js";
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
const directories: unknown = Object.getPrototypeOf(handle);
await handle.close();
if (how === "files") {
  neverSync(NodeFileHandle.prototype);
  // Step by step, and not by the thread, which has a sync of its own.
  Object.defineProperty(NodeFileHandle.prototype, "writeThenSync", { value: undefined });
}
if (how === "names") neverSync(directories);
if (how === "early") {
  const write = Storage.prototype.write;
  Storage.prototype.write = function (this: Storage, ops) {
    write.call(this, ops).catch(() => {});
    return Promise.resolve();
  };
}

function neverSync(prototype: unknown): void {
  if (typeof prototype !== "object" || prototype === null) throw new Error("no file handle");
  Object.defineProperty(prototype, "sync", { value: async () => {} });
}
