import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Entry } from "../../protocol/log/entry.js";
import type { PyDict, PyValue } from "../../protocol/pickle/values.js";
import { silentLogger } from "../../src/logger.js";
import { type Recovered, Storage } from "../../src/storage/storage.js";
import { StorageError } from "../../src/storage/storage-error.js";
import { Store } from "../../src/store/store.js";
import { CrashFileSystem } from "./crash-file-system.js";

/* A member's three files, what is done to them, and what a start makes of it. */

export const kinds = ["journal", "journal.meta", "dump"] as const;
export type FileKind = (typeof kinds)[number];
/** A file that is not there is not in it. */
export type MemberFileSet = Readonly<Partial<Record<FileKind, Uint8Array>>>;

export const address = "127.0.0.1:4001";
const folder = "/d";

export function pathOf(kind: FileKind): string {
  return `${folder}/${address}.${kind}`;
}

export interface Opened {
  readonly fs: CrashFileSystem;
  /** Null: the start was refused. */
  readonly recovered: Recovered | null;
  readonly refusal: StorageError | null;
}

export async function openFileSet(files: MemberFileSet): Promise<Opened> {
  const fs = new CrashFileSystem();
  for (const kind of kinds) {
    const bytes = files[kind];
    if (bytes !== undefined) fs.put(pathOf(kind), bytes);
  }
  const options = { dataDir: folder, selfAddr: address, logger: silentLogger, fileSystem: fs };
  try {
    const { storage, recovered } = await Storage.open(options);
    await storage.close();
    return { fs, recovered, refusal: null };
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    return { fs, recovered: null, refusal: error };
  }
}

/** What the member would go on from. */
export function essence(recovered: Recovered): unknown {
  const { term, votedFor, entries, dump } = recovered;
  return {
    term,
    votedFor,
    entries: entries.map(textOf),
    dump: dump === null ? null : [...Store.fromDump(dump.data).entries()],
    members: dump?.members.toSorted(),
  };
}

export function textOf({ index, term, command }: Entry): string {
  return `${index} ${term} ${Buffer.from(command).toString("hex")}`;
}

/**
 * Whatever a start makes of damaged files, it may not write over the only copy: a refused start
 * leaves them as they are, and a file that is no longer what it was stands beside as it was.
 */
export function assertNothingIsLost(given: MemberFileSet, opened: Opened, what: string) {
  const { fs, refusal, recovered } = opened;
  const lossy = new Set<string>(
    recovered?.findings.filter(({ kind }) => kind === "lost").map(({ file }) => file),
  );
  for (const kind of kinds) {
    const bytes = given[kind];
    if (bytes === undefined || bytes.length === 0) continue;
    const copies = fs
      .paths()
      .filter((path) => path === pathOf(kind) || path.startsWith(`${pathOf(kind)}.damaged-`))
      .map((path) => fs.read(path));
    const isThere = copies.some((copy) => copy?.equals(bytes) === true);
    const mustBeThere = refusal !== null || copies.length > 1 || lossy.has(shortName(kind));
    assert(isThere || !mustBeThere, `${what}: ${kind} as it was is nowhere`);
  }
}

/** The name that findings use. */
function shortName(kind: FileKind): string {
  return kind === "journal.meta" ? "meta" : kind;
}

/** What the member takes part with; null where it does not vote, or does not start. */
export function healthy({ recovered }: Opened): Recovered | null {
  return recovered?.mustRefetch === false ? recovered : null;
}

export type Damage = (bytes: Uint8Array) => Uint8Array;

export function flipped(at: number, mask: number): Damage {
  return (bytes) => {
    const copy = Uint8Array.from(bytes);
    copy[at] = (copy[at] ?? 0) ^ mask;
    return copy;
  };
}

export function cutAt(length: number): Damage {
  return (bytes) => bytes.slice(0, length);
}

function command(text: string): Uint8Array {
  return Uint8Array.from([0, ...Buffer.from(text)]);
}

export function entry(index: number, term: number): Entry {
  return { index, term, command: command(`entry ${index} of ${term}`) };
}

export function* someRecords(): Generator<readonly [PyValue, PyDict]> {
  yield ["/a", new Map<PyValue, PyValue>([["value", "x"]])];
  yield ["/b", new Map<PyValue, PyValue>([["value", "y"]])];
}

/** The files of a Quorate member after some life: batches, a vote, with or without a dump. */
export async function quorateFiles(options: {
  readonly dump: boolean;
  readonly close: boolean;
}): Promise<MemberFileSet> {
  const fs = new CrashFileSystem();
  const given = { dataDir: folder, selfAddr: address, logger: silentLogger, fileSystem: fs };
  const { storage } = await Storage.open(given);
  await storage.write([{ kind: "meta", term: 7, votedFor: address }]);
  await storage.write([{ kind: "append", entries: [2, 3, 4].map((index) => entry(index, 7)) }]);
  if (options.dump) {
    const [last, previous, members] = [entry(3, 7), entry(2, 7), [address, "b:2"]];
    await storage.writeDump({ last, previous, members, codeVersion: 0, records: someRecords() });
    await storage.write([{ kind: "compact", keepFrom: 2 }]);
  }
  await storage.write([{ kind: "append", entries: [entry(5, 7)] }]);
  await storage.write([{ kind: "append", entries: [entry(6, 7), entry(7, 7)] }]);
  // A vote in a term of which no entry tells.
  await storage.write([{ kind: "meta", term: 9, votedFor: "b:2" }]);
  if (options.close) await storage.close();
  const files: Partial<Record<FileKind, Uint8Array>> = {};
  for (const kind of kinds) {
    const bytes = fs.read(pathOf(kind));
    if (bytes !== null) files[kind] = new Uint8Array(bytes);
  }
  return files;
}

/** Where PySyncObj's own files lie, also when the tests run from the build folder. */
function vectorsFolder(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  for (const start of [here, process.cwd()]) {
    for (let at = start; at !== dirname(at); at = dirname(at)) {
      const names = readdirSync(at);
      if (names.includes("package.json")) return join(at, "protocol", "vectors");
    }
  }
  throw new Error("run the tests inside the project");
}

/** Files that a real member of that version of PySyncObj has left. */
export function vanillaFiles(version: string, name: string): MemberFileSet {
  const at = join(vectorsFolder(), version, "files");
  const names = new Set(readdirSync(at));
  const files: Partial<Record<FileKind, Uint8Array>> = {};
  for (const kind of kinds) {
    const file = `${name}.${kind}`;
    if (names.has(file)) files[kind] = new Uint8Array(readFileSync(join(at, file)));
  }
  return files;
}
