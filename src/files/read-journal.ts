import { crc32 } from "node:zlib";
import { journalHeaderBytes } from "../../protocol/files/journal-format.js";
import type { Clock } from "../clock.js";
import type { FileSystem } from "../storage/file-system.js";
import type { JournalStop } from "../storage/journal-pieces.js";
import { JournalStream } from "./journal-stream.js";
import { LogSummarizer, type LogSummary } from "./log-summary.js";
import { lookAgain } from "./look-again.js";
import type { Watch } from "./watch.js";

/** What the checksums in a journal's header say. */
export type SealState =
  /** PySyncObj's file: it has none. */
  | "none"
  /** They match: all is as a Quorate member wrote it. */
  | "intact"
  /** They do not: PySyncObj's program has written since, a write was cut short, or there is damage. */
  | "changed";

export interface JournalOverview {
  readonly path: string;
  readonly bytes: number;
  /** False where the file does not begin as a journal does; then the rest may mean nothing. */
  readonly isJournal: boolean;
  /** Version of the program that made the file. */
  readonly version: string;
  /** Null where the file ends within its header. */
  readonly endOffset: number | null;
  readonly isEndUsable: boolean;
  readonly seal: SealState;
  readonly log: LogSummary;
  /** Where the records cease to hold together; null: they fill the file up to its end offset. */
  readonly stop: JournalStop | null;
}

/**
 * Reads a journal from start to end, in bounded memory. Where something does not fit it is read again:
 * its member may have been rewriting it.
 *
 * @throws FilesError where it cannot be read.
 */
export async function readJournal(
  fs: FileSystem,
  path: string,
  options: { readonly watch?: Watch; readonly clock?: Clock } = {},
): Promise<JournalOverview> {
  return await lookAgain(
    () => readOnce(fs, path, options.watch ?? {}),
    (overview, before) => isWhole(overview) || (before !== null && isSame(before, overview)),
    options.clock,
  );
}

async function readOnce(fs: FileSystem, path: string, watch: Watch): Promise<JournalOverview> {
  const stream = await JournalStream.open(fs, path, watch);
  try {
    const { header, size, isEndUsable } = stream;
    const summarizer = new LogSummarizer();
    const isSealed = header !== null && header.seal !== null;
    let crc = 0;
    const batches = stream.records();
    let step = await batches.next();
    for (; step.done !== true; step = await batches.next()) {
      summarizer.add(step.value.entries);
      if (isSealed) crc = crc32(step.value.bytes, crc);
    }
    const isIntact =
      step.value === null && header?.isIntact === true && header.seal?.endCrc === crc;
    return {
      path,
      bytes: size,
      isJournal: header?.isJournal ?? false,
      version: header?.version ?? "",
      endOffset: header?.endOffset ?? null,
      isEndUsable,
      seal: isSealed ? (isIntact ? "intact" : "changed") : "none",
      log: summarizer.result(),
      stop: step.value,
    };
  } finally {
    await stream.close();
  }
}

function isWhole({ isJournal, isEndUsable, stop, seal }: JournalOverview): boolean {
  return isJournal && isEndUsable && stop === null && seal !== "changed";
}

function isSame(a: JournalOverview, b: JournalOverview): boolean {
  return (
    a.bytes === b.bytes &&
    a.endOffset === b.endOffset &&
    a.stop?.offset === b.stop?.offset &&
    a.log.entries === b.log.entries
  );
}

/** A journal in which nothing was ever stored, as far as its header and the first record tell. */
export function isEmptyJournal(overview: JournalOverview): boolean {
  const { bytes, endOffset, log } = overview;
  if (log.entries > 0) return false;
  return bytes === 0 || endOffset === journalHeaderBytes || endOffset === 0;
}
