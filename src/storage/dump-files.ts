import type { Dump } from "../../protocol/files/dump-format.js";
import type { Entry } from "../../protocol/log/entry.js";
import { type DumpSource, decodeDump, encodeDump } from "./dump-codec.js";
import type { FileHandle, FileSystem } from "./file-system.js";
import { type MemberFiles, removeIfThere } from "./files.js";
import { dumpFileBytesMax } from "./limits.js";
import { StorageError, storageFault } from "./storage-error.js";

/** A dump that lies complete and synced in a file. */
export interface DumpFile {
  readonly path: string;
  readonly last: Entry;
  readonly previous: Entry;
}

/** A dump that a leader sent, checked and decoded. Install it, or `discard` it. */
export interface ReceivedDump {
  readonly dump: Dump;
  readonly path: string;
}

/** Takes a dump that comes in pieces from the leader. */
export interface DumpReceiver {
  write(chunk: Uint8Array): Promise<void>;
  /** @throws ProtocolError where what came is no whole dump. The file is gone then. */
  finish(): Promise<ReceivedDump>;
  /** Gives up, at any time; also after `finish`, where the dump is not wanted after all. */
  abort(): Promise<void>;
}

/** Reads one dump from start to end, also after a newer one has taken its place. */
export interface DumpReader {
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** Up to `bytes` bytes; empty at the end. */
  read(bytes: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/**
 * The dump and those that are on their way to become it. A written dump waits, complete and
 * synced, until the journal's compaction: the two are then renamed one directly after the other.
 * A vanilla member that is started between the two clears the journal, so nothing slow may happen
 * there.
 */
export class DumpFiles {
  readonly #fs: FileSystem;
  readonly #files: MemberFiles;
  #current: DumpFile | null;
  #waiting: DumpFile | null = null;
  #count = 0;

  constructor(fs: FileSystem, files: MemberFiles, current: Dump | null) {
    this.#fs = fs;
    this.#files = files;
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

  /** Writes and syncs a dump that nobody knows of before it is given to `offer`. */
  async write(source: DumpSource, signal?: AbortSignal): Promise<DumpFile> {
    const path = this.#temporaryPath();
    try {
      const file = await this.#fs.open(path, "create");
      try {
        await encodeDump(source, file, signal);
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
    if (this.#current !== null && dump.last.index <= this.#current.last.index) {
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

  async read(): Promise<DumpReader | null> {
    const dump = this.#waiting ?? this.#current;
    if (dump === null) return null;
    try {
      return await openReader(this.#fs, dump);
    } catch (error) {
      // Put in place while it was being opened: it has another name now.
      if (dump === (this.#waiting ?? this.#current)) throw error;
      return await this.read();
    }
  }

  async decode(): Promise<Dump | null> {
    const dump = this.#waiting ?? this.#current;
    if (dump === null) return null;
    const file = await this.#fs.open(dump.path, "read").catch((error: unknown) => {
      throw storageFault(error, dump.path, "opening the dump");
    });
    try {
      return await decodeDump(file);
    } finally {
      await file.close();
    }
  }

  receive(): DumpReceiver {
    return new Receiver(this.#fs, this.#temporaryPath());
  }

  #temporaryPath(): string {
    this.#count += 1;
    return `${this.#files.temporaryDumpPrefix}-${this.#count}`;
  }
}

async function openReader(fs: FileSystem, dump: DumpFile): Promise<DumpReader> {
  const file = await fs.open(dump.path, "read").catch((error: unknown) => {
    throw storageFault(error, dump.path, "opening the dump");
  });
  let at = 0;
  return {
    lastIndex: dump.last.index,
    lastTerm: dump.last.term,
    async read(bytes) {
      try {
        const chunk = await file.read(at, bytes);
        at += chunk.length;
        return chunk;
      } catch (error) {
        throw storageFault(error, dump.path, "reading the dump");
      }
    },
    close: () => file.close(),
  };
}

class Receiver implements DumpReceiver {
  readonly #fs: FileSystem;
  readonly #path: string;
  #file: FileHandle | null = null;
  #bytes = 0;

  constructor(fs: FileSystem, path: string) {
    this.#fs = fs;
    this.#path = path;
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#bytes + chunk.length > dumpFileBytesMax) {
      throw new StorageError("no-space", this.#path, "the leader's dump is beyond all measure");
    }
    try {
      this.#file ??= await this.#fs.open(this.#path, "create");
      await this.#file.write(chunk, this.#bytes);
      this.#bytes += chunk.length;
    } catch (error) {
      throw storageFault(error, this.#path, "receiving a dump");
    }
  }

  async finish(): Promise<ReceivedDump> {
    await this.write(new Uint8Array());
    const file = this.#file;
    if (file === null) throw new Error("a received dump without a file");
    try {
      await file.sync();
      const dump = await decodeDump(file);
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

  async abort(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.close();
    await removeIfThere(this.#fs, this.#path);
  }
}
