import { crc32 } from "node:zlib";
import {
  encodeJournalHeader,
  journalHeaderBytes,
  recordsBytes,
  writeRecords,
} from "../../protocol/files/journal-format.js";
import type { Entry } from "../../protocol/log/entry.js";
import type { FileSystem } from "./file-system.js";
import { storageFault } from "./storage-error.js";

/**
 * Keeps committed entries that a leader makes us drop, as a journal of their own that any tool for
 * journals reads. Durable when it resolves, but for its name in the directory.
 *
 * @throws StorageError
 */
export async function writeConflictFile(
  fs: FileSystem,
  path: string,
  entries: readonly Entry[],
): Promise<void> {
  const bytes = new Uint8Array(journalHeaderBytes + recordsBytes(entries));
  writeRecords(entries, bytes, journalHeaderBytes);
  const crc = crc32(bytes.subarray(journalHeaderBytes));
  const endOffset = bytes.length;
  const seal = { previousEnd: endOffset, previousCrc: crc, endCrc: crc };
  bytes.set(encodeJournalHeader({ version: "conflic", endOffset, seal }, crc32), 0);
  try {
    const file = await fs.open(path, "create");
    try {
      await file.write(bytes, 0);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw storageFault(error, path, "keeping entries of a conflict");
  }
}
