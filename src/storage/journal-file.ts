import { crc32 } from "node:zlib";
import {
  encodeJournalHeader,
  journalHeaderBytes,
  recordOverheadBytes,
  recordsBytes,
  writeRecords,
} from "../../protocol/files/journal-format.js";
import { journalBytesMax } from "../../protocol/files/limits.js";
import type { Entry } from "../../protocol/log/entry.js";
import { commandBytes } from "../../protocol/log/stored-entry.js";
import { batchesOf } from "./entry-batches.js";
import { FailedSync, type FileHandle, type PlacedBytes, writeThenSync } from "./file-system.js";
import {
  copyChunkBytes,
  journalGrowthBytesMax,
  journalGrowthBytesMin,
  sectorBytes,
} from "./limits.js";
import { StorageError, storageFault, syncFault } from "./storage-error.js";

/** The version that we write into new journals: the newest of upstream that reads them alike. */
const journalVersion = "0.3.17";

/**
 * One journal file that is being written. Invariants: behind the end offset the file holds zeros
 * (unless `#isTailDirty`); the header in the file is the one of the last batch whose write began;
 * `#ends` and `#terms` describe exactly what is durable.
 */
export class JournalFile {
  readonly path: string;
  readonly #handle: FileHandle;
  #ends: number[] = [];
  #terms: number[] = [];
  #firstIndex = 0;
  #end = journalHeaderBytes;
  #crc = 0;
  #size = 0;
  #isTailDirty = false;
  #isConfirmed = false;

  constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  get firstIndex(): number {
    return this.#firstIndex;
  }

  get lastIndex(): number {
    return this.#firstIndex + this.#terms.length - 1;
  }

  /** Bytes of header and records. */
  get bytes(): number {
    return this.#end;
  }

  /** Null where the journal does not hold the entry. */
  termAt(index: number): number | null {
    return this.#terms[index - this.#firstIndex] ?? null;
  }

  /**
   * Takes over records that stand in the file, and makes them durable: they may have reached no
   * further than the system's cache, and a sync that failed before may have left them marked as
   * written. So the bytes of the last batch are written once more, and only when they are durable
   * does the header say so: the seal must never vouch for what may yet be torn.
   */
  async adopt(entries: readonly Entry[], records: AdoptedRecords): Promise<void> {
    let end = journalHeaderBytes;
    this.#remember(
      entries,
      entries.map((entry) => {
        end += recordOverheadBytes + commandBytes(entry);
        return end;
      }),
    );
    this.#end = end;
    this.#crc = records.crc;
    this.#isConfirmed = true;
    this.#isTailDirty = true;
    const { lastBatch } = records;
    await this.#guard("opening the journal", async () => {
      await this.#handle.write(lastBatch, end - lastBatch.length);
      await this.#sync();
      await this.#handle.write(headerBytes(this.#here, this.#here), 0);
      await this.#cleanTail();
    });
  }

  /** Fills a new file. Its records are durable when the promise resolves, its name is not. */
  async fill(entries: readonly Entry[], rest?: JournalRest): Promise<void> {
    await this.#guard("writing a new journal", async () => {
      for (const batch of batchesOf(entries)) await this.#fillWith(batch);
      if (rest !== undefined) await this.#copyRest(rest);
      await this.#handle.write(headerBytes(this.#here, this.#here), 0);
      await this.#handle.sync();
    });
    this.#size = this.#end;
    this.#isConfirmed = true;
  }

  async #fillWith(entries: readonly Entry[]): Promise<void> {
    const bytes = new Uint8Array(recordsBytes(entries));
    const start = this.#end;
    const ends = writeRecords(entries, bytes, 0);
    this.#remember(
      entries,
      ends.map((offset) => start + offset),
    );
    this.#end += bytes.length;
    this.#crc = crc32(bytes, this.#crc);
    await this.#handle.write(bytes, start);
  }

  /**
   * Appends in one write, then says so in the header, then syncs once. After a failure for lack of
   * space nothing was appended.
   *
   * @param entries Those that are already there (same index, same term) are passed over, so that a
   * failed batch can be tried again.
   */
  async append(entries: readonly Entry[]): Promise<void> {
    const added = this.#withoutKnown(entries);
    if (added.length === 0) return;
    const length = recordsBytes(added);
    const end = this.#end + length;
    if (end > journalBytesMax) {
      const message =
        "the journal has reached its largest size of 4 GiB: nothing is lost. Look in the log why no dump was " +
        "written, make room for one, then start the member again: it tries to write one first";
      throw new StorageError("no-space", this.path, message);
    }
    const grown = end > this.#size ? grownSize(end) : end;
    const bytes = new Uint8Array(grown - this.#end);
    const ends = writeRecords(added, bytes, 0);
    const crc = crc32(bytes.subarray(0, length), this.#crc);
    const header = headerBytes({ end, crc }, this.#here);
    let size = grown;
    await this.#guard("appending to the journal", async () => {
      await this.#cleanTail();
      this.#isTailDirty = true;
      if (grown > end) size = await this.#writeBatch(bytes, length);
      // The header names nothing that is not written: it comes behind the records.
      const records = grown > end ? [] : [{ bytes, position: this.#end }];
      await this.#writeThenSync([...records, { bytes: header, position: 0 }]);
    });
    this.#isTailDirty = false;
    const start = this.#end;
    this.#size = Math.max(size, this.#size);
    this.#isConfirmed = false;
    this.#end = end;
    this.#crc = crc;
    this.#remember(
      added,
      ends.map((offset) => start + offset),
    );
  }

  /**
   * Writes a batch, and the zeros that the file grows by where there is room for them as well.
   *
   * @param bytes The records, then the zeros.
   * @returns the offset behind what was written.
   */
  async #writeBatch(bytes: Uint8Array, recordBytes: number): Promise<number> {
    try {
      await this.#handle.write(bytes, this.#end);
      return this.#end + bytes.length;
    } catch (error) {
      const isFull = storageFault(error, this.path, "growing").code === "no-space";
      if (!isFull || bytes.length === recordBytes) throw error;
    }
    // What the failed write has taken goes first.
    await this.#cleanTail();
    this.#isTailDirty = true;
    await this.#handle.write(bytes.subarray(0, recordBytes), this.#end);
    return this.#end + recordBytes;
  }

  /** Says in the header that the last batch is durable. Needs no sync: it only helps to judge. */
  async confirm(): Promise<void> {
    if (this.#isConfirmed) return;
    await this.#guard("confirming", async () => {
      await this.#handle.write(headerBytes(this.#here, this.#here), 0);
    });
    this.#isConfirmed = true;
  }

  /** Drops the entries from `fromIndex` on; none where the journal ends before it. */
  async truncate(fromIndex: number): Promise<void> {
    if (fromIndex > this.lastIndex) return;
    const kept = fromIndex - this.#firstIndex;
    if (kept < 1) throw new Error(`a journal from ${this.#firstIndex} cut at ${fromIndex}`);
    const end = this.#ends[kept - 1] ?? journalHeaderBytes;
    await this.#guard("truncating the journal", async () => {
      const crc = await this.#verifiedCrcUpTo(end);
      await this.#handle.write(headerBytes({ end, crc }, { end, crc }), 0);
      await this.#sync();
      this.#end = end;
      this.#crc = crc;
      this.#isConfirmed = true;
      this.#ends.length = kept;
      this.#terms.length = kept;
      this.#isTailDirty = true;
      await this.#cleanTail();
    });
  }

  /** What follows an entry, to be copied into a new journal. */
  async restAfter(index: number): Promise<JournalRest> {
    const kept = index - this.#firstIndex + 1;
    const start = this.#ends[kept - 1] ?? journalHeaderBytes;
    let startCrc = 0;
    await this.#guard("reading the journal", async () => {
      startCrc = await this.#crcOf(journalHeaderBytes, start, 0);
    });
    return {
      path: this.path,
      startCrc,
      endCrc: this.#crc,
      terms: this.#terms.slice(kept),
      ends: this.#ends.slice(kept),
      start,
      end: this.#end,
      read: (position, length) => this.#handle.read(position, length),
    };
  }

  async sync(): Promise<void> {
    await this.#sync();
  }

  /**
   * Leaves room behind the end for whoever takes the file over. A member of PySyncObj up to 0.3.15 doubles
   * its file once for an entry that does not fit (`FileJournal` and `ResizableFile` in
   * pysyncobj/journal.py); where that is too little, it goes on without the entry in its journal.
   */
  async leaveRoom(): Promise<void> {
    const size = Math.min(this.#end + journalGrowthBytesMin, journalBytesMax);
    if (this.#isTailDirty || this.#size >= size) return;
    // A courtesy: where there is no room for it the rest of a clean stop counts for more.
    await this.#handle.truncate(size).catch(() => {});
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #copyRest(rest: JournalRest): Promise<void> {
    const moved = this.#end - rest.start;
    let readCrc = rest.startCrc;
    for (let at = rest.start; at < rest.end; ) {
      const chunk = await rest.read(at, Math.min(copyChunkBytes, rest.end - at));
      if (chunk.length === 0) throw changedOnDisk(rest.path);
      await this.#handle.write(chunk, at + moved);
      this.#crc = crc32(chunk, this.#crc);
      readCrc = crc32(chunk, readCrc);
      at += chunk.length;
    }
    // Sealed anew, damage would pass for truth.
    if (readCrc !== rest.endCrc) throw changedOnDisk(rest.path);
    for (const end of rest.ends) this.#ends.push(end + moved);
    for (const term of rest.terms) this.#terms.push(term);
    this.#end = rest.end + moved;
  }

  /** Gives zeros back to the space behind the end: a torn write is told from damage by them. */
  async #cleanTail(): Promise<void> {
    if (!this.#isTailDirty) return;
    await this.#handle.truncate(this.#end);
    await this.#sync();
    this.#size = this.#end;
    this.#isTailDirty = false;
  }

  #withoutKnown(entries: readonly Entry[]): readonly Entry[] {
    let known = 0;
    for (const entry of entries) {
      if (entry.index > this.lastIndex) break;
      if (this.termAt(entry.index) !== entry.term) {
        throw new Error(`entry ${entry.index} is in the journal with another term`);
      }
      known += 1;
    }
    const added = known === 0 ? entries : entries.slice(known);
    let next = this.lastIndex + 1;
    for (const entry of added) {
      if (entry.index !== next) throw new Error(`entry ${entry.index} where ${next} is due`);
      next += 1;
    }
    return added;
  }

  #remember(entries: readonly Entry[], ends: readonly number[]): void {
    const [firstAdded] = entries;
    if (this.#terms.length === 0 && firstAdded !== undefined) this.#firstIndex = firstAdded.index;
    if (this.#terms.length === 0) {
      this.#terms = entries.map(({ term }) => term);
      this.#ends = ends.slice();
      return;
    }
    for (const entry of entries) this.#terms.push(entry.term);
    for (const end of ends) this.#ends.push(end);
  }

  get #here(): SealedPlace {
    return { end: this.#end, crc: this.#crc };
  }

  /** CRC-32 of the records up to an offset, read from the file, all of which is checked. */
  async #verifiedCrcUpTo(end: number): Promise<number> {
    const crc = await this.#crcOf(journalHeaderBytes, end, 0);
    if ((await this.#crcOf(end, this.#end, crc)) !== this.#crc) throw changedOnDisk(this.path);
    return crc;
  }

  async #crcOf(from: number, to: number, start: number): Promise<number> {
    let crc = start;
    for (let at = from; at < to; ) {
      const chunk = await this.#handle.read(at, Math.min(copyChunkBytes, to - at));
      if (chunk.length === 0) throw changedOnDisk(this.path);
      crc = crc32(chunk, crc);
      at += chunk.length;
    }
    return crc;
  }

  async #sync(): Promise<void> {
    try {
      await this.#handle.sync();
    } catch (cause) {
      throw syncFault(cause, this.path);
    }
  }

  async #writeThenSync(writes: readonly PlacedBytes[]): Promise<void> {
    try {
      await writeThenSync(this.#handle, writes);
    } catch (error) {
      throw error instanceof FailedSync ? syncFault(error.cause, this.path) : error;
    }
  }

  async #guard(doing: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      throw storageFault(error, this.path, doing);
    }
  }
}

/** The records were whole when they were written, and when the member started. */
function changedOnDisk(path: string): StorageError {
  const message =
    "its records are not what was written there: the disk has changed them. Nothing was written " +
    "over them, term and vote are intact. Check the disk, then start the member again: it sets the " +
    "file aside and takes what is missing from the others";
  return new StorageError("damaged", path, message);
}

/** An offset behind a record, and the CRC-32 of all records up to it. */
interface SealedPlace {
  readonly end: number;
  readonly crc: number;
}

function headerBytes(place: SealedPlace, previous: SealedPlace): Uint8Array {
  const seal = { previousEnd: previous.end, previousCrc: previous.crc, endCrc: place.crc };
  return encodeJournalHeader({ version: journalVersion, endOffset: place.end, seal }, crc32);
}

export interface AdoptedRecords {
  /** CRC-32 of all records. */
  readonly crc: number;
  /** The bytes of the records that may not be durable yet. */
  readonly lastBatch: Uint8Array;
}

/** Records of a journal that are copied as bytes. */
export interface JournalRest {
  readonly terms: readonly number[];
  readonly ends: readonly number[];
  readonly start: number;
  readonly end: number;
  /** The journal that it is copied from, for messages. */
  readonly path: string;
  /** CRC-32 of its records up to `start` as they stand in the file, and up to `end` as written. */
  readonly startCrc: number;
  readonly endCrc: number;
  read(position: number, length: number): Promise<Uint8Array>;
}

function grownSize(needed: number): number {
  const quarter = Math.floor(needed / 4 / sectorBytes) * sectorBytes;
  const growth = Math.min(journalGrowthBytesMax, Math.max(journalGrowthBytesMin, quarter));
  return Math.min(journalBytesMax, Math.ceil((needed + 1) / growth) * growth);
}
