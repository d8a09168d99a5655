import type { LoadedDump } from "../../protocol/files/dump-format.js";
import type { Entry } from "../../protocol/log/entry.js";
import { type Clock, systemClock, type Timer } from "../clock.js";
import type { Logger } from "../logger.js";
import { CommitIndexHint } from "./commit-index-hint.js";
import { nodeCompression } from "./compression.js";
import { keepConflict } from "./conflict-file.js";
import type { DataLimits } from "./dump-bounds.js";
import type { DumpSource } from "./dump-codec.js";
import type { DumpReader, DumpReceiver, ReceivedDump } from "./dump-files.js";
import type { FileLock, FileSystem } from "./file-system.js";
import { type MemberFiles, memberFiles, removeIfThere } from "./files.js";
import { appendBytesMax, appendEntriesMax, confirmDelayMs } from "./limits.js";
import { LogFiles, type LogFilesParts } from "./log-files.js";
import type { MetaFile } from "./meta-file.js";
import { metaRun } from "./meta-runs.js";
import { nodeFileSystem } from "./node-file-system.js";
import { openFiles, syncFolder } from "./open-files.js";
import { type Recovered, reportRecovered } from "./recovered.js";
import type { Finding } from "./recovery.js";
import { StorageError, storageFault } from "./storage-error.js";
import type { StorageOptions, StorageWrite } from "./storage-types.js";

export type {
  DataLimits,
  DumpReader,
  DumpReceiver,
  DumpSource,
  Finding,
  ReceivedDump,
  Recovered,
  StorageOptions,
  StorageWrite,
};

/**
 * A member's journal, meta and dump on disk. What may be lost when is written down in
 * docs/storage.md. After an error other than `no-space` the storage does nothing more: what
 * reached the disk is unknown, and only a new start can find out.
 */
export class Storage {
  readonly #fs: FileSystem;
  readonly #files: MemberFiles;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #now: () => Date;
  readonly #lock: FileLock;
  readonly #meta: MetaFile;
  readonly #log: LogFiles;
  #failure: StorageError | null = null;
  /** For which file there was no room, as long as there is none: it is told of once. */
  #fullPath: string | null = null;
  #tellFailed: (error: StorageError) => void = () => {};
  #isClosed = false;
  #worksOn: string;
  /**
   * Resolves when the storage does nothing more. Also for what no caller waits for: without it an
   * idle member would go on over a disk that has failed.
   */
  readonly failed: Promise<StorageError> = new Promise((resolve) => {
    this.#tellFailed = resolve;
  });
  /** All that touches the journal goes one after the other. */
  #queue: Promise<void> = Promise.resolve();
  #confirmTimer: Timer | null = null;
  readonly #commitIndex: CommitIndexHint;
  /** The call that lack of space has stopped, and how many of its operations are done. */
  #stopped: { readonly ops: readonly StorageWrite[]; readonly done: number } | null = null;

  private constructor(parts: LogFilesParts & { readonly lock: FileLock }) {
    this.#fs = parts.fs;
    this.#files = parts.files;
    this.#worksOn = parts.files.journal;
    this.#logger = parts.logger;
    this.#clock = parts.tools.clock;
    this.#now = parts.now;
    this.#lock = parts.lock;
    this.#meta = parts.opened.meta;
    this.#log = new LogFiles(parts);
    this.#commitIndex = new CommitIndexHint(
      {
        ...{ meta: this.#meta, clock: this.#clock, logger: this.#logger },
        isUsable: () => this.#failure === null,
        failed: (error) => this.#fail(error),
      },
      parts.opened.plan.commitIndex,
    );
  }

  /**
   * Locks the files, reads them, repairs what a crash or another program left, and makes all of it
   * durable. Makes the directory and the files where there are none.
   *
   * @throws StorageError
   */
  static async open(
    options: StorageOptions,
  ): Promise<{ readonly storage: Storage; readonly recovered: Recovered }> {
    const fs = options.fileSystem ?? nodeFileSystem;
    const files = memberFiles(options.dataDir, options.selfAddr);
    await fs.makeDirectory(files.directory).catch((error: unknown) => {
      throw storageFault(error, files.directory, "making the data directory");
    });
    const lock = await fs.lock(files.journal).catch((error: unknown) => {
      throw storageFault(error, files.journal, "taking the lock");
    });
    try {
      const { clock = systemClock, compression = nodeCompression, logger } = options;
      if (lock.remark !== undefined) logger.warn(lock.remark);
      const tools = { clock, compression };
      const now = options.now ?? (() => new Date(clock.wallSec() * 1000));
      const { beforeChanges } = options;
      const opened = await openFiles({ fs, files, now, tools, beforeChanges });
      const storage = new Storage({ fs, files, logger, tools, lock, opened, now });
      return { storage, recovered: reportRecovered(opened.plan, files, options.logger) };
    } catch (error) {
      await lock.release();
      throw storageFault(error, files.directory, "opening the files");
    }
  }

  /** Bytes of the journal's header and records. A compaction is due long before 4 GiB. */
  get journalBytes(): number {
    return this.#log.journal.bytes;
  }

  /** The file that the operation under way, or the last one, is about: where a disk hangs, for the operator. */
  get worksOn(): string {
    return this.#worksOn;
  }

  /** Why the storage does nothing more; null while all is well. For the member's health. */
  get failure(): StorageError | null {
    return this.#failure;
  }

  /**
   * Carries the operations out in order; resolves when all are durable. One call at a time. After
   * `no-space` those before the failed one are done and the failed one is not, and the same call,
   * with the same array, may be tried again: it goes on where it stopped, because what is done may
   * not bear repeating (an older term, an entry that was truncated since, a dump that was renamed).
   *
   * @throws StorageError
   */
  write(ops: readonly StorageWrite[]): Promise<void> {
    return this.#exclusive(async () => {
      let done = this.#stopped?.ops === ops ? this.#stopped.done : 0;
      this.#stopped = null;
      try {
        while (done < ops.length) done += await this.#carryOut(ops, done);
      } catch (error) {
        this.#stopped = { ops, done };
        throw error;
      }
    });
  }

  /** Stores the commit index within a second or so. It is a hint: a crash may lose the newest. */
  saveCommitIndex(index: number): void {
    this.#commitIndex.save(index);
  }

  /**
   * Writes a dump beside, in slices, and syncs it. It becomes the member's dump with the
   * `compact` that follows; until then `openDump` reads it already.
   */
  async writeDump(source: DumpSource, signal?: AbortSignal): Promise<void> {
    this.#assertUsable();
    const dump = await this.#log.dumps.write(source, signal);
    // In its turn: a compaction under way holds the dump that this one replaces.
    await this.#exclusive(async () => {
      this.#worksOn = this.#files.dump;
      if (signal?.aborted === true) await this.discardDump(dump);
      else await this.#log.offerDump(dump);
    });
    signal?.throwIfAborted();
  }

  /** The dump on disk was found to be damaged when it was read: another one is needed. */
  get needsDump(): boolean {
    return this.#log.dumps.isDamaged;
  }

  /** The newest dump. Null where there is none, or only one that was found to be damaged. */
  async openDump(): Promise<DumpReader | null> {
    this.#assertUsable();
    return await this.#log.dumps.read();
  }

  /** The newest dump's content, decoded in slices. Null where there is none. */
  async readDump(): Promise<LoadedDump | null> {
    this.#assertUsable();
    return await this.#log.dumps.decode();
  }

  /** A received dump will not be installed. */
  async discardDump(dump: { readonly path: string }): Promise<void> {
    await removeIfThere(this.#fs, dump.path);
  }

  receiveDump(limits: DataLimits): DumpReceiver {
    this.#assertUsable();
    return this.#log.dumps.receive(limits);
  }

  /** Stores the commit index and gives the files up. Whatever is asked later is refused. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopTimers();
    await this.#queue;
    try {
      if (this.#failure === null) {
        await this.#log.journal.confirm();
        await this.#log.journal.leaveRoom();
        await this.#log.journal.sync();
        await this.#commitIndex.store();
        await this.#log.dumps.dropWaiting();
      }
    } finally {
      await this.#log.journal.close();
      await this.#lock.release();
    }
  }

  /** @returns how many operations were carried out: neighbours of the same file go together. */
  async #carryOut(ops: readonly StorageWrite[], at: number): Promise<number> {
    const op = ops[at];
    if (op !== undefined) this.#worksOn = this.#fileOf(op);
    switch (op?.kind) {
      case undefined:
        return 1;
      case "append": {
        const entries: Entry[] = [];
        let count = 0;
        let bytes = 0;
        while (bytes < appendBytesMax && entries.length < appendEntriesMax) {
          const next = ops[at + count];
          if (next?.kind !== "append") break;
          for (const entry of next.entries) {
            entries.push(entry);
            bytes += entry.command.length;
          }
          count += 1;
        }
        await this.#log.journal.append(entries);
        return count;
      }
      case "truncate":
        await this.#truncate(op.fromIndex);
        return 1;
      case "meta":
      case "must-refetch":
      case "second-term": {
        const { count, change } = metaRun(ops, at, this.#meta.stored, this.#commitIndex.index);
        if (change !== null) await this.#meta.store(change);
        return count;
      }
      case "compact":
        await this.#log.compact(op.keepFrom);
        return 1;
      case "install":
        await this.#commitIndex.lower(op.dump.dump.last.index);
        await this.#log.install(op.dump, op.keep);
        return 1;
      case "keep-conflict":
        await this.#keepConflict(op);
        return 1;
    }
  }

  #fileOf({ kind }: StorageWrite): string {
    switch (kind) {
      case "append":
      case "truncate":
        return this.#files.journal;
      case "meta":
      case "must-refetch":
      case "second-term":
        return this.#files.meta;
      case "compact":
      case "install":
        return this.#files.temporaryJournal;
      case "keep-conflict":
        return this.#files.directory;
    }
  }

  async #keepConflict({
    entries,
    withDump,
    kept,
  }: Extract<StorageWrite, { kind: "keep-conflict" }>): Promise<void> {
    const { waiting, current } = this.#log.dumps;
    const dump = withDump ? ((waiting ?? current)?.path ?? null) : null;
    const paths = await keepConflict(this.#fs, this.#files, { entries, dump }, this.#now());
    await syncFolder(this.#fs, this.#files.directory);
    kept(paths);
  }

  async #truncate(fromIndex: number): Promise<void> {
    const { current, waiting } = this.#log.dumps;
    if (current !== null && fromIndex <= current.last.index) {
      throw new Error(`truncation at ${fromIndex}, the dump ends at ${current.last.index}`);
    }
    if (waiting !== null && fromIndex <= waiting.last.index) await this.#log.dumps.dropWaiting();
    await this.#commitIndex.lower(fromIndex - 1);
    await this.#log.journal.truncate(fromIndex);
  }

  #exclusive(work: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(async () => {
      this.#assertUsable();
      this.#stopConfirm();
      try {
        await work();
      } catch (error) {
        throw this.#fail(error);
      }
      this.#fullPath = null;
      this.#startConfirm();
    });
    this.#queue = done.catch(() => {});
    return done;
  }

  /** Only lack of space leaves everything known, so that work may go on. */
  #fail(error: unknown): unknown {
    if (error instanceof StorageError && error.code === "no-space") {
      if (this.#fullPath !== error.path) this.#logger.error(error.message, { code: error.code });
      this.#fullPath = error.path;
      return error;
    }
    const failure = storageFault(error, this.#files.journal, "writing");
    this.#failure ??= failure;
    this.#tellFailed(this.#failure);
    this.#logger.error("storage stopped", { path: failure.path, reason: failure.message });
    return error;
  }

  #startConfirm(): void {
    if (this.#isClosed) return;
    const timer = this.#clock.after(confirmDelayMs, () => {
      this.#confirmTimer = null;
      const done = this.#queue.then(async () => {
        this.#worksOn = this.#files.journal;
        if (this.#failure === null) await this.#log.journal.confirm();
      });
      this.#queue = done.catch((error: unknown) => {
        this.#fail(error);
      });
    });
    this.#confirmTimer = timer.unref();
  }

  #stopConfirm(): void {
    this.#confirmTimer?.cancel();
    this.#confirmTimer = null;
  }

  #stopTimers(): void {
    this.#stopConfirm();
    this.#commitIndex.stop();
  }

  #assertUsable(): void {
    if (this.#failure !== null) throw this.#failure;
    if (this.#isClosed) throw new Error("the storage is closed");
  }
}
