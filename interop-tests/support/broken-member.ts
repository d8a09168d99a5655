import { open } from "node:fs/promises";
import { DumpEncoder } from "../../protocol/files/dump-format.js";
import type { Entry } from "../../protocol/log/entry.js";
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
  | "early"
  /** The thread that writes batches answers before its sync: see early-thread.ts. */
  | "thread"
  /** Other bytes than the ones that are confirmed: in the journal, and a value of each dump. */
  | "content";

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
if (how === "content") {
  const { write } = Storage.prototype;
  Storage.prototype.write = function (this: Storage, ops) {
    const changed = ops.map((op) =>
      op.kind === "append" ? { ...op, entries: op.entries.map(otherBytes) } : op,
    );
    return write.call(this, changed);
  };
  const { add } = DumpEncoder.prototype;
  const begun = new WeakSet<DumpEncoder>();
  DumpEncoder.prototype.add = function (this: DumpEncoder, key, value) {
    const isFirst = !begun.has(this);
    begun.add(this);
    add.call(this, key, isFirst ? new Map(value).set("value", "another one") : value);
  };
}

/** One byte of a value is another one: nothing but the value itself shows it. */
function otherBytes(entry: Entry): Entry {
  const at = entry.command.lastIndexOf("v".charCodeAt(0));
  if (at < 1) return entry;
  const command = Uint8Array.from(entry.command);
  command[at] = "w".charCodeAt(0);
  return { ...entry, command };
}

function neverSync(prototype: unknown): void {
  if (typeof prototype !== "object" || prototype === null) throw new Error("no file handle");
  Object.defineProperty(prototype, "sync", { value: async () => {} });
}
