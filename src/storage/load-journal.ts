import { crc32 } from "node:zlib";
import {
  type JournalHeader,
  journalHeaderBytes,
  parseJournalHeader,
} from "../../protocol/files/journal-format.js";
import { journalBytesMax } from "../../protocol/files/limits.js";
import type { Entry } from "../../protocol/log/entry.js";
import type { FileHandle, FileSystem } from "./file-system.js";
import type { AdoptedRecords } from "./journal-file.js";
import { fromFile, fromMemory, type JournalBatch, walkInPieces } from "./journal-pieces.js";
import {
  isBlankJournal,
  type JournalVerdict,
  judgeJournal,
  needsWholeFile,
} from "./journal-verdict.js";
import { keptEntries } from "./kept-entries.js";
import { storageFault, systemCode } from "./storage-error.js";

/** A journal's kept records: their CRC-32, and those of them that may not be durable. */
export interface LoadedJournal extends AdoptedRecords {
  readonly verdict: JournalVerdict & { readonly entries: readonly Entry[] };
  readonly isSealed: boolean;
  readonly version: string;
}

/** A file in which nothing was ever stored, or what is left of one: its bytes tell nothing. */
export interface BlankJournal {
  readonly isBlank: true;
  readonly isEmpty: boolean;
}

/**
 * @param isMetaOurs Whether a Quorate member was the last to write the meta file.
 * @returns null where there is no file.
 * @throws StorageError
 */
export async function loadJournal(
  fs: FileSystem,
  path: string,
  isMetaOurs: boolean,
): Promise<LoadedJournal | BlankJournal | null> {
  let file: FileHandle;
  try {
    file = await fs.open(path, "read");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return null;
    throw storageFault(error, path, "opening the journal");
  }
  try {
    const size = Math.min(await file.size(), journalBytesMax);
    const start = await file.read(0, journalHeaderBytes);
    if (start.length < journalHeaderBytes) return blank(start);
    const header = parseJournalHeader(start, crc32);
    const isWhole = needsWholeFile(header, size);
    const sealed = isWhole ? null : await loadSealed(file, header);
    if (sealed !== null) return sealed;
    return judged(await file.read(0, isWhole ? size : header.endOffset), isMetaOurs);
  } catch (error) {
    throw storageFault(error, path, "reading the journal");
  } finally {
    await file.close();
  }
}

/**
 * A journal that is as a member of ours left it, which the seal in its header shows: it is read once, piece by piece.
 *
 * @param header Names an end within the file.
 * @returns null where anything is not as it should be: then the verdict is on all of the file.
 */
async function loadSealed(
  file: FileHandle,
  { seal, isIntact, version, endOffset }: JournalHeader,
): Promise<LoadedJournal | null> {
  if (seal === null || !isIntact) return null;
  const batches: Entry[][] = [];
  const unsure: Uint8Array[] = [];
  let crc = 0;
  const take = (batch: JournalBatch) => {
    crc = crc32(batch.bytes, crc);
    batches.push(keptEntries(batch));
    const start = (batch.ends.at(-1) ?? 0) - batch.bytes.length;
    const from = Math.max(0, seal.previousEnd - start);
    if (from < batch.bytes.length) unsure.push(batch.bytes.subarray(from));
  };
  // The checksum vouches for the terms.
  const jump = { termJumpMax: Number.POSITIVE_INFINITY };
  const range = { from: journalHeaderBytes, to: endOffset, size: endOffset, ...jump };
  const stop = await fromFile(walkInPieces(range, take), (at, length) => file.read(at, length));
  if (stop !== null || crc !== seal.endCrc) return null;
  const verdict = {
    ...({ end: endOffset, proven: "all", isLossy: false, cause: null, remark: null } as const),
    ...{ isImplausible: false, entries: batches.flat() },
  };
  return { verdict, isSealed: true, version, crc, lastBatch: Buffer.concat(unsure) };
}

function judged(bytes: Uint8Array, isMetaOurs: boolean): LoadedJournal | BlankJournal {
  if (fromMemory(isBlankJournal(bytes.length), bytes)) return blank(bytes);
  const { seal, version } = parseJournalHeader(bytes, crc32);
  const verdict = judgeJournal(bytes, isMetaOurs);
  const from = seal === null ? verdict.end : Math.max(seal.previousEnd, journalHeaderBytes);
  return {
    verdict,
    isSealed: seal !== null,
    version,
    crc: crc32(bytes.subarray(journalHeaderBytes, verdict.end)),
    lastBatch: bytes.subarray(Math.min(from, verdict.end), verdict.end),
  };
}

function blank(bytes: Uint8Array): BlankJournal {
  return { isBlank: true, isEmpty: bytes.length === 0 };
}
