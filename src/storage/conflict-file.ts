import { crc32 } from "node:zlib";
import {
  encodeJournalHeader,
  journalHeaderBytes,
  recordsBytes,
  writeRecords,
} from "../../protocol/files/journal-format.js";
import type { Entry } from "../../protocol/log/entry.js";
import { batchesOf } from "./entry-batches.js";
import type { FileHandle, FileSystem } from "./file-system.js";
import { type MemberFiles, removeIfThere } from "./files.js";
import { conflictBytesMax, conflictFilesMax, copyChunkBytes } from "./limits.js";
import { StorageError, storageFault } from "./storage-error.js";

/** Committed entries that a leader makes us drop, and the dump where that has to go as well. */
export interface Conflict {
  readonly entries: readonly Entry[];
  /** Path of the dump that holds what is committed before them; null: it stays. */
  readonly dump: string | null;
}

/**
 * Keeps them beside, the entries as a journal of their own that any tool for journals reads. Whole or
 * not there, and in the place of no other file. Durable when it resolves, but for the names in the
 * directory.
 *
 * @returns the paths.
 * @throws StorageError `no-space` also where as much is kept as is kept at all.
 */
export async function keepConflict(
  fs: FileSystem,
  files: MemberFiles,
  { entries, dump }: Conflict,
  now: Date,
): Promise<readonly string[]> {
  const temporaryDump = `${files.temporaryDumpPrefix}-conflict`;
  const kept: string[] = [];
  await assertFewKept(fs, files);
  try {
    await writeNew(fs, files.temporaryJournal, (file) => writeJournal(file, entries));
    if (dump !== null) await writeNew(fs, temporaryDump, (file) => copy(fs, dump, file));
    const end = await freeEnding(fs, files, now);
    const keep = async (from: string, to: string) => {
      await fs.rename(from, to);
      kept.push(to);
    };
    await keep(files.temporaryJournal, files.journal + end);
    if (dump !== null) await keep(temporaryDump, files.dump + end);
    return kept;
  } catch (error) {
    // Half a file would take room that there is none of, and pass for all that was committed.
    // Nothing has been cut yet: what is kept already is kept again with the next attempt.
    for (const path of [files.temporaryJournal, temporaryDump, ...kept]) {
      await removeIfThere(fs, path).catch(() => {});
    }
    throw storageFault(error, files.journal, "keeping entries of a conflict beside");
  }
}

/** Batch by batch: it can be all of the log. The header comes last. */
async function writeJournal(file: FileHandle, entries: readonly Entry[]): Promise<void> {
  let endOffset = journalHeaderBytes;
  let crc = 0;
  for (const batch of batchesOf(entries)) {
    const bytes = new Uint8Array(recordsBytes(batch));
    writeRecords(batch, bytes, 0);
    crc = crc32(bytes, crc);
    await file.write(bytes, endOffset);
    endOffset += bytes.length;
  }
  const seal = { previousEnd: endOffset, previousCrc: crc, endCrc: crc };
  await file.write(encodeJournalHeader({ version: "conflic", endOffset, seal }, crc32), 0);
}

async function writeNew(
  fs: FileSystem,
  path: string,
  write: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const file = await fs.open(path, "create");
  try {
    await write(file);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function copy(fs: FileSystem, from: string, to: FileHandle): Promise<void> {
  const file = await fs.open(from, "read");
  try {
    const size = await file.size();
    for (let at = 0; at < size; ) {
      const chunk = await file.read(at, Math.min(copyChunkBytes, size - at));
      if (chunk.length === 0) break;
      await to.write(chunk, at);
      at += chunk.length;
    }
  } finally {
    await file.close();
  }
}

/** As with a full disk nothing goes then, and nothing is acknowledged, until an operator has looked at them. */
async function assertFewKept(fs: FileSystem, files: MemberFiles): Promise<void> {
  const { directory } = files;
  const prefixes = [files.journal, files.dump].map((path) => `${nameOf(path)}.conflict-`);
  const names = (await fs.list(directory)).filter((name) =>
    prefixes.some((prefix) => name.startsWith(prefix)),
  );
  let bytes = 0;
  for (const name of names) bytes += await sizeOf(fs, `${directory}/${name}`);
  if (names.length < conflictFilesMax && bytes < conflictBytesMax) return;
  const message =
    `${names.length} *.conflict-* files of ${bytes} bytes are kept here, of committed entries that leaders had this ` +
    "member drop: no more are kept, so none are dropped. See in the log which leader demands it " +
    "(committed-entries-conflict), then move the files elsewhere; nothing is lost, and the member goes on by itself";
  throw new StorageError("no-space", directory, message);
}

async function sizeOf(fs: FileSystem, path: string): Promise<number> {
  try {
    const file = await fs.open(path, "read");
    return await file.size().finally(() => file.close());
  } catch {
    // Moved away just now, or no file: it is none of what was kept.
    return 0;
  }
}

/** `.conflict-<UTC time>`, the same for both, which no file of an earlier conflict has. */
async function freeEnding(fs: FileSystem, files: MemberFiles, now: Date): Promise<string> {
  const names = new Set(await fs.list(files.directory));
  const first = `.conflict-${now.toISOString().replaceAll(/[:.]/g, "-")}`;
  const [journal, dump] = [files.journal, files.dump].map(nameOf);
  let end = first;
  for (let copy = 2; names.has(journal + end) || names.has(dump + end); copy++) {
    end = `${first}-${copy}`;
  }
  return end;
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
