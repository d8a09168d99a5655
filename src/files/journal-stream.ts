import { crc32 } from "node:zlib";
import {
  type JournalHeader,
  journalHeaderBytes,
  parseJournalHeader,
  type WalkRange,
} from "../../protocol/files/journal-format.js";
import { journalBytesMax } from "../../protocol/files/limits.js";
import type { FileHandle, FileSystem } from "../storage/file-system.js";
import {
  fromFile,
  type InPieces,
  type JournalBatch,
  type JournalStop,
  type Piece,
  walkInPieces,
} from "../storage/journal-pieces.js";
import { readFault } from "./files-error.js";
import type { Watch } from "./watch.js";

/**
 * A journal that is read and not loaded: in memory are a piece of it and the largest entry. The file
 * may belong to a running member: what is read is what stands there at that moment.
 */
export class JournalStream {
  readonly path: string;
  /** Bytes of the file when it was opened. */
  readonly size: number;
  /** The first bytes, as many of the 40 as there are. */
  readonly headerBytes: Uint8Array;
  /** Null where the file ends within it. */
  readonly header: JournalHeader | null;
  readonly #file: FileHandle;
  readonly #watch: Watch;

  private constructor(
    file: FileHandle,
    parts: {
      readonly path: string;
      readonly size: number;
      readonly headerBytes: Uint8Array;
      readonly watch: Watch;
    },
  ) {
    this.#file = file;
    this.#watch = parts.watch;
    this.path = parts.path;
    this.size = parts.size;
    this.headerBytes = parts.headerBytes;
    this.header =
      parts.headerBytes.length < journalHeaderBytes
        ? null
        : parseJournalHeader(parts.headerBytes, crc32);
  }

  /** @throws FilesError where it cannot be read. */
  static async open(fs: FileSystem, path: string, watch: Watch = {}): Promise<JournalStream> {
    try {
      const file = await fs.open(path, "read");
      try {
        const size = Math.min(await file.size(), journalBytesMax);
        const headerBytes = await file.read(0, journalHeaderBytes);
        return new JournalStream(file, { path, size, headerBytes, watch });
      } catch (error) {
        await file.close();
        throw error;
      }
    } catch (error) {
      throw readFault(error, path);
    }
  }

  /**
   * False where the end offset lies behind the end of the file, or leaves no room for a record: upstream
   * sets it there and dies while it rewrites the file, and the records still stand behind it.
   */
  get isEndUsable(): boolean {
    const end = this.header?.endOffset ?? 0;
    return end > journalHeaderBytes && end <= this.size;
  }

  /** Where the records end: the header's end offset, or the end of the file where that is of no use. */
  get end(): number {
    return this.isEndUsable ? (this.header?.endOffset ?? this.size) : this.size;
  }

  /** All records up to the end, whatever their terms. */
  records(): AsyncGenerator<JournalBatch, JournalStop | null> {
    return this.walk({
      from: journalHeaderBytes,
      to: this.end,
      termJumpMax: Number.POSITIVE_INFINITY,
    });
  }

  /**
   * Where the journal breaks off.
   *
   * @param stop What `records` ended with.
   * @returns null where it is whole, or where nothing was ever stored in it.
   */
  breakAfter(stop: JournalStop | null): JournalStop | null {
    if (this.size === 0) return null;
    if (this.header === null) return { offset: this.size, reason: "structure" };
    const { endOffset } = this.header;
    const isUnused =
      stop?.offset === journalHeaderBytes && (endOffset === journalHeaderBytes || endOffset === 0);
    return isUnused ? null : stop;
  }

  /**
   * Reads records up to the first that cannot be one, as `walkRecords` does of bytes in memory.
   *
   * @param range Offsets in the file.
   * @returns null where the records fill the range exactly.
   * @throws FilesError; the reason of the watch's signal when that aborts.
   */
  async *walk(range: WalkRange): AsyncGenerator<JournalBatch, JournalStop | null> {
    const taken: JournalBatch[] = [];
    const work = walkInPieces({ ...range, size: this.size }, (batch) => taken.push(batch));
    let step = work.next();
    for (; step.done !== true; step = work.next(await this.#readPiece(step.value))) {
      yield* taken.splice(0);
    }
    yield* taken;
    return step.value;
  }

  /** Runs work that asks for pieces of this journal. */
  run<T>(work: InPieces<T>): Promise<T> {
    return fromFile(work, (at, length) => this.#readPiece({ at, length }));
  }

  /** Bytes from an offset on; fewer only at the end of the file. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    this.#watch.signal?.throwIfAborted();
    try {
      return await this.#file.read(offset, length);
    } catch (error) {
      throw readFault(error, this.path);
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #readPiece({ at, length }: Piece): Promise<Uint8Array> {
    const bytes = await this.read(at, length);
    this.#watch.onRead?.(bytes.length);
    return bytes;
  }
}
