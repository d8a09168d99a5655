import { ProtocolError } from "../../protocol/errors.js";
import type { LoadedDump } from "../../protocol/files/dump-format.js";
import type { Entry } from "../../protocol/log/entry.js";
import type { Compression } from "./compression.js";
import { type DataLimits, type DumpBounds, dumpBounds } from "./dump-bounds.js";
import {
  type DumpSource,
  type DumpTools,
  encodeDump,
  GzipCheck,
  loadDump,
  tooLarge,
} from "./dump-codec.js";
import type { FileHandle, FileSystem } from "./file-system.js";
import { type MemberFiles, removeIfThere, setAside } from "./files.js";
import { StorageError, storageFault } from "./storage-error.js";

/** A dump that lies complete and synced in a file. */
export interface DumpFile {
  readonly path: string;
  readonly last: Entry;
  readonly previous: Entry;
}

/** A dump that a leader sent, checked and decoded. Install it, or `discard` it. */
export interface ReceivedDump {
  readonly dump: LoadedDump;
  readonly path: string;
}

/** Takes a dump that comes in pieces from the leader. */
export interface DumpReceiver {
  /** @throws ProtocolError `dump-too-large` as soon as it is known that it is. */
  write(chunk: Uint8Array): Promise<void>;
  /** @throws ProtocolError where what came is no whole dump, or too large. The file is gone then. */
  finish(): Promise<ReceivedDump>;
  /** Gives up, at any time; also after `finish`, where the dump is not wanted after all. */
  abort(): Promise<void>;
}

/** Reads one dump from start to end, also after a newer one has taken its place. */
export interface DumpReader {
  readonly lastIndex: number;
  readonly lastTerm: number;
  /**
   * Up to `bytes` bytes; empty at the end.
   *
   * @throws StorageError `damaged`, only at the end, in the place of the empty piece: what was read
   * is no whole dump, and must not be used.
   */
  read(bytes: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface DumpFilesParts {
  readonly fs: FileSystem;
  readonly files: MemberFiles;
  readonly tools: DumpTools;
  /** For the names of files that are set aside. */
  readonly now: () => Date;
}

/**
 * The dump and those that are on their way to become it. A written dump waits, complete and
 * synced, until the journal's compaction: the two are then renamed, with nothing but a sync between.
 * A vanilla member that is started between the two clears the journal, so nothing slow may happen
 * there.
 */
export class DumpFiles {
  readonly #fs: FileSystem;
  readonly #files: MemberFiles;
  readonly #tools: DumpTools;
  readonly #now: () => Date;
  #current: DumpFile | null;
  #waiting: DumpFile | null = null;
  /** Found out when it was read. It stays in its place until a new one is there. */
  #damaged: DumpFile | null = null;
  #count = 0;

  constructor({ fs, files, tools, now }: DumpFilesParts, current: LoadedDump | null) {
    this.#fs = fs;
    this.#files = files;
    this.#tools = tools;
    this.#now = now;
    // Not the whole of it: the decoded store would stay in memory.
    this.#current =
      current === null
        ? null
        : { path: files.dump, last: current.last, previous: current.previous };
  }

  /** Written and not yet in place. */
  get waiting(): DumpFile | null {
    return this.#waiting;
  }

  get current(): DumpFile | null {
    return this.#current;
  }

  /** The newest dump cannot be read any more: one is needed, also of the same index. */
  get isDamaged(): boolean {
    return this.#damaged !== null && this.#damaged === (this.#waiting ?? this.#current);
  }

  /** Writes and syncs a dump that nobody knows of before it is given to `offer`. */
  async write(source: DumpSource, signal?: AbortSignal): Promise<DumpFile> {
    const path = this.#temporaryPath();
    try {
      const file = await this.#fs.open(path, "create");
      try {
        await encodeDump(source, file, { ...this.#tools, signal });
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (error) {
      await removeIfThere(this.#fs, path).catch(() => {});
      if (signal?.aborted === true) throw error;
      throw storageFault(error, path, "writing the dump");
    }
    return { path, last: source.last, previous: source.previous };
  }

  /** Makes a written dump the waiting one. Never while another is being put in place. */
  async offer(dump: DumpFile): Promise<void> {
    const ahead = dump.last.index - (this.#current?.last.index ?? 0);
    if (ahead === 0 && this.#damaged === this.#current) {
      // The journal begins with its entries already: nothing is left to be compacted.
      await this.putInPlace(dump);
      return;
    }
    if (ahead <= 0) {
      // A leader's dump that reaches further was installed meanwhile.
      await removeIfThere(this.#fs, dump.path);
      return;
    }
    const replaced = this.#waiting;
    this.#waiting = dump;
    if (replaced !== null) await removeIfThere(this.#fs, replaced.path);
  }

  /** Renames a complete dump into its place. The caller syncs the directory. */
  async putInPlace(dump: DumpFile): Promise<void> {
    if (this.#damaged !== null && this.#damaged === this.#current) {
      // A crash before the next rename finds no dump, and must refetch: no worse than a damaged one.
      await setAside(this.#fs, this.#files.dump, this.#now());
    }
    await this.#fs.rename(dump.path, this.#files.dump);
    this.#current = { ...dump, path: this.#files.dump };
    if (this.#waiting === dump) this.#waiting = null;
  }

  /** Forgets a dump that has not been put in place. */
  async dropWaiting(): Promise<void> {
    const dropped = this.#waiting;
    this.#waiting = null;
    if (dropped !== null) await removeIfThere(this.#fs, dropped.path);
  }

  /** Null where there is no dump, or one that was found to be damaged. */
  async read(): Promise<DumpReader | null> {
    const dump = this.#waiting ?? this.#current;
    if (dump === null || this.isDamaged) return null;
    try {
      const { compression } = this.#tools;
      return await openReader(this.#fs, { dump, compression }, () => {
        // It may have been put in place since, under another name.
        const newest = this.#waiting ?? this.#current;
        if (newest?.last.index === dump.last.index) this.#damaged = newest;
      });
    } catch (error) {
      // Put in place while it was being opened: it has another name now.
      if (dump === (this.#waiting ?? this.#current)) throw error;
      return await this.read();
    }
  }

  async decode(): Promise<LoadedDump | null> {
    const dump = this.#waiting ?? this.#current;
    if (dump === null) return null;
    let file: FileHandle;
    try {
      file = await this.#fs.open(dump.path, "read");
    } catch (error) {
      // Put in place while it was being opened, or replaced by a newer one.
      if (dump !== (this.#waiting ?? this.#current)) return await this.decode();
      throw storageFault(error, dump.path, "opening the dump");
    }
    try {
      return await loadDump(file, this.#tools);
    } catch (error) {
      if (!(error instanceof ProtocolError))
        throw storageFault(error, dump.path, "reading the dump");
      throw cannotDecode(dump.path, error);
    } finally {
      await file.close();
    }
  }

  receive(limits: DataLimits): DumpReceiver {
    return new Receiver(this.#fs, this.#temporaryPath(), this.#tools, dumpBounds(limits));
  }

  #temporaryPath(): string {
    this.#count += 1;
    return `${this.#files.temporaryDumpPrefix}-${this.#count}`;
  }
}

const isDamagedMessage = "the dump is damaged: the disk has changed it. Check the disk";

/** The state in memory is whole: nobody has to do anything for the dump. */
function cannotSend(path: string): StorageError {
  const message = `${isDamagedMessage}. It is not sent; a new one is written from memory`;
  return new StorageError("damaged", path, message);
}

function cannotDecode(path: string, cause: unknown): StorageError {
  const message =
    `${isDamagedMessage}, then start the member again: it sets the file aside and takes the state ` +
    "from the others. Journal, term and vote are intact";
  return new StorageError("damaged", path, message, { cause });
}

async function openReader(
  fs: FileSystem,
  { dump, compression }: { readonly dump: DumpFile; readonly compression: Compression },
  isDamaged: () => void,
): Promise<DumpReader> {
  const file = await fs.open(dump.path, "read").catch((error: unknown) => {
    throw storageFault(error, dump.path, "opening the dump");
  });
  let at = 0;
  // Memory outside of the heap, which whoever opens and reads nothing does without.
  let check: GzipCheck | null = null;
  return {
    lastIndex: dump.last.index,
    lastTerm: dump.last.term,
    async read(bytes) {
      try {
        const chunk = await file.read(at, bytes);
        at += chunk.length;
        check ??= new GzipCheck(compression);
        if (chunk.length > 0) {
          await check.add(chunk);
          return chunk;
        }
        if (await check.isWhole()) return chunk;
      } catch (error) {
        throw storageFault(error, dump.path, "reading the dump");
      }
      isDamaged();
      throw cannotSend(dump.path);
    },
    async close() {
      check?.drop();
      await file.close();
    },
  };
}

class Receiver implements DumpReceiver {
  readonly #fs: FileSystem;
  readonly #path: string;
  readonly #tools: DumpTools;
  readonly #bounds: DumpBounds;
  /** Tells what it inflates to while it comes: a small file can hold more than any memory. */
  readonly #check: GzipCheck;
  #file: FileHandle | null = null;
  #bytes = 0;

  constructor(fs: FileSystem, path: string, tools: DumpTools, bounds: DumpBounds) {
    this.#fs = fs;
    this.#path = path;
    this.#tools = tools;
    this.#bounds = bounds;
    this.#check = new GzipCheck(tools.compression, bounds.inflatedBytesMax);
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#bytes + chunk.length > this.#bounds.fileBytesMax) {
      throw tooLarge(this.#bounds.fileBytesMax);
    }
    try {
      this.#file ??= await this.#fs.open(this.#path, "create");
      await this.#file.write(chunk, this.#bytes);
      this.#bytes += chunk.length;
    } catch (error) {
      throw storageFault(error, this.#path, "receiving a dump");
    }
    await this.#check.add(chunk);
    this.#checkSize();
  }

  async finish(): Promise<ReceivedDump> {
    await this.write(new Uint8Array());
    const file = this.#file;
    if (file === null) throw new Error("a received dump without a file");
    try {
      // What is not whole is found once more below, with the reason.
      await this.#check.isWhole();
      this.#checkSize();
      await file.sync();
      const dump = await loadDump(file, this.#tools, this.#bounds);
      await file.close();
      this.#file = null;
      return { dump, path: this.#path };
    } catch (error) {
      await this.abort().catch(() => {});
      throw error instanceof Error && "reaction" in error
        ? error
        : storageFault(error, this.#path, "receiving a dump");
    }
  }

  #checkSize(): void {
    if (this.#check.isTooLarge) throw tooLarge(this.#bounds.inflatedBytesMax);
  }

  async abort(): Promise<void> {
    this.#check.drop();
    const file = this.#file;
    this.#file = null;
    await file?.close();
    await removeIfThere(this.#fs, this.#path);
  }
}
