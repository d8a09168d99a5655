import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { DumpEncoder } from "../../../protocol/files/dump-format.js";
import { recordsBytes, writeRecords } from "../../../protocol/files/journal-format.js";
import type { Entry } from "../../../protocol/log/entry.js";
import { encodeDelete, encodeSet } from "../../../protocol/log/kv-calls.js";
import { encodePickle } from "../../../protocol/pickle/encoder.js";
import type { PyDict, PyValue } from "../../../protocol/pickle/values.js";
import { silentLogger } from "../../../src/logger.js";
import { Storage } from "../../../src/storage/storage.js";
import { Store } from "../../../src/store/store.js";

/* Files as PySyncObj's members write them, made for one test. */

export const address = "127.0.0.1:4001";
/** The writers' clocks begin here and go on by a second an entry. */
export const startSec = 1_700_000_000;

export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "quorate-files-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export const noOp = (index: number, term: number): Entry => ({
  ...{ index, term, command: Uint8Array.of(1) },
});

export function setEntry(index: number, term: number, key: string, value: string): Entry {
  const updated = startSec + index;
  return { index, term, command: encodeSet(key, { value, updated, created: updated }) };
}

export function deleteEntry(index: number, term: number, prefix: string): Entry {
  return { index, term, command: encodeDelete(prefix, { recursive: true }) };
}

/** A log of sets over a few keys, with a no-op where the term changes. */
export function log(terms: readonly number[], keys = 5): Entry[] {
  return terms.map((term, at) => {
    const index = at + 1;
    if (term !== terms[at - 1]) return noOp(index, term);
    return setEntry(index, term, `/k/${index % keys}`, `value ${index} of ${term}`);
  });
}

/** @param end The end offset that the header names; where absent, the right one. */
export function vanillaJournal(entries: readonly Entry[], end?: number): Buffer {
  const bytes = Buffer.alloc(40 + recordsBytes(entries) + 2000);
  bytes.write("PYSYNCOBJ", 0, "latin1");
  bytes.write("0.3.15", 24, "latin1");
  bytes.writeUInt32LE(1, 32);
  bytes.writeUInt32LE(end ?? 40 + recordsBytes(entries), 36);
  writeRecords(entries, bytes, 40);
  return bytes;
}

export function vanillaMeta(values: Readonly<Record<string, PyValue>>): Uint8Array {
  const dict: PyDict = new Map(Object.entries(values));
  return encodePickle(dict);
}

/** Every file, in folders as well, with its bytes and its time of change: what a reading command may not touch. */
export function pictureOfFolder(folder: string): ReadonlyMap<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
  const files = names.filter((name) => statSync(join(folder, name)).isFile());
  return new Map(
    files.map((name) => {
      const path = join(folder, name);
      return [name, `${statSync(path).mtimeMs} ${readFileSync(path).toString("hex")}`];
    }),
  );
}

/** The dump that a member with this log makes when it has applied `last`. */
export function dumpOf(
  entries: readonly Entry[],
  last: number,
  options: { readonly members?: readonly string[]; readonly change?: (data: PyDict) => void } = {},
): Uint8Array {
  const store = new Store();
  for (const { command, index } of entries) if (index <= last) store.apply(command, index);
  const data: PyDict = new Map(store.entries());
  options.change?.(data);
  const encoder = new DumpEncoder(0);
  for (const [key, value] of data) if (value instanceof Map) encoder.add(key, value);
  encoder.finish(
    entryAt(entries, last),
    entryAt(entries, last - 1),
    options.members ?? [address, "127.0.0.1:4002"],
  );
  return gzipSync(encoder.take());
}

export function entryAt(entries: readonly Entry[], index: number): Entry {
  const entry = entries.find((each) => each.index === index);
  if (entry === undefined) throw new Error(`the log has no entry ${index}`);
  return entry;
}

/** The files of a Quorate member: entries in batches, and with a dump where `dumpAt` says so. */
export async function quorateMember(
  folder: string,
  batches: readonly (readonly Entry[])[],
  options: {
    readonly dumpAt?: number;
    readonly selfAddr?: string;
    /** Of the dump. */
    readonly members?: readonly string[];
  } = {},
): Promise<void> {
  const { dumpAt, selfAddr = address } = options;
  const { members = [selfAddr, "127.0.0.1:4002"] } = options;
  const { storage } = await Storage.open({ dataDir: folder, selfAddr, logger: silentLogger });
  await storage.write([{ kind: "meta", term: 9, votedFor: selfAddr }]);
  const all: Entry[] = [noOp(1, 0)];
  for (const entries of batches) {
    await storage.write([{ kind: "append", entries }]);
    all.push(...entries);
  }
  if (dumpAt !== undefined) {
    const store = new Store();
    for (const { command, index } of all) if (index <= dumpAt) store.apply(command, index);
    const snapshot = store.beginSnapshot();
    await storage.writeDump({
      ...{ last: entryAt(all, dumpAt), previous: entryAt(all, dumpAt - 1), codeVersion: 0 },
      ...{ members, records: snapshot.records },
    });
    snapshot.end();
    await storage.write([{ kind: "compact", keepFrom: dumpAt - 1 }]);
  }
  await storage.close();
}
