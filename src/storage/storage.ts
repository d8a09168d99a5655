import type { Dump } from "../../protocol/files/dump-format.js";
import type { Entry } from "../../protocol/log/entry.js";
import type { Logger } from "../logger.js";
import { writeConflictFile } from "./conflict-file.js";
import type { DumpSource } from "./dump-codec.js";
import { DumpFiles, type DumpReader, type DumpReceiver, type ReceivedDump } from "./dump-files.js";
import type { FileLock, FileSystem } from "./file-system.js";
import { type MemberFiles, memberFiles, removeIfThere } from "./files.js";
import type { JournalFile } from "./journal-file.js";
import { commitIndexIntervalMs, confirmDelayMs } from "./limits.js";
import type { MetaFile } from "./meta-file.js";
import { nodeFileSystem } from "./node-file-system.js";
import { createJournal, type OpenedFiles, openFiles, syncFolder } from "./open-files.js";
import type { Finding } from "./recovery.js";
import { StorageError, storageFault, syncFault } from "./storage-error.js";

export type { DumpReader, DumpReceiver, DumpSource, Finding, ReceivedDump };

export interface StorageOptions {
  readonly dataDir: string;
  /** `host:port`: the files' name. */
  readonly selfAddr: string;
  readonly logger: Logger;
  /** The real one where absent. */
  readonly fileSystem?: FileSystem;
  /** For the names of files that are set aside. */
  readonly now?: () => Date;
}

/** The state that the files held, repaired and durable. */
export interface Recovered {
  readonly term: number;
  /** Only ever a vote of `term`. */
  readonly votedFor: string | null;
  /** At most the last entry's index, at least the dump's. */
  readonly commitIndex: number;
  /** Without gaps. Where there is a dump, the first two are its `previous` and `last`. */
  readonly entries: readonly Entry[];
  readonly dump: Dump | null;
  readonly isNew: boolean;
  /**
   * Acknowledged state may be missing: no vote and no leadership before a leader has brought the
   * member up to date; then write `must-refetch`. Kept across restarts.
   */
  readonly mustRefetch: boolean;
  readonly findings: readonly Finding[];
}

export type StorageWrite =
  | { readonly kind: "append"; readonly entries: readonly Entry[] }
  | { readonly kind: "truncate"; readonly fromIndex: number }
  | { readonly kind: "meta"; readonly term: number; readonly votedFor: string | null }
  /** Puts the written dump in place and drops what stands before its `previous` entry. */
  | { readonly kind: "compact"; readonly keepFrom: number }
  /** Puts a leader's dump in place; the journal becomes its two entries, then `keep`. */
  | { readonly kind: "install"; readonly dump: ReceivedDump; readonly keep: readonly Entry[] }
  /** Whether acknowledged state may be missing: while it may, no vote, after restarts too. */
  | { readonly kind: "must-refetch"; readonly missing: boolean }
  /** Keeps entries that a leader wants gone in a journal of their own; see conflict-file.ts. */
  | { readonly kind: "keep-conflict"; readonly path: string; readonly entries: readonly Entry[] };

/**
 * A member's journal, meta and dump on disk. What may be lost when is written down in
 * docs/storage.md. After an error other than `no-space` the storage does nothing more: what
 * reached the disk is unknown, and only a new start can find out.
 */
export class Storage {
  readonly #fs: FileSystem;
  readonly #files: MemberFiles;
  readonly #logger: Logger;
  readonly #lock: FileLock;
  readonly #meta: MetaFile;
  readonly #dumps: DumpFiles;
  #journal: JournalFile;
  #failure: StorageError | null = null;
  #isClosed = false;
  /** All that touches the journal goes one after the other. */
  #queue: Promise<void> = Promise.resolve();
  #confirmTimer: NodeJS.Timeout | null = null;
  #commitTimer: NodeJS.Timeout | null = null;
  #commitIndex: number;
  /** The call that lack of space has stopped, and how many of its operations are done. */
  #stopped: { readonly ops: readonly StorageWrite[]; readonly done: number } | null = null;

  private constructor(parts: {
    readonly fs: FileSystem;
    readonly files: MemberFiles;
    readonly logger: Logger;
    readonly lock: FileLock;
    readonly opened: OpenedFiles;
  }) {
    this.#fs = parts.fs;
    this.#files = parts.files;
    this.#logger = parts.logger;
    this.#lock = parts.lock;
    this.#meta = parts.opened.meta;
    this.#journal = parts.opened.journal;
    this.#dumps = new DumpFiles(parts.fs, parts.files, parts.opened.plan.dump);
    this.#commitIndex = parts.opened.plan.commitIndex;
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
    const lock = await fs.lock(files.journal);
    try {
      const now = options.now ?? (() => new Date());
      const opened = await openFiles({ fs, files, now });
      const storage = new Storage({ fs, files, logger: options.logger, lock, opened });
      return { storage, recovered: report(opened, options.logger) };
    } catch (error) {
      await lock.release();
      throw storageFault(error, files.directory, "opening the files");
    }
  }

  /** Bytes of the journal's header and records. A compaction is due long before 4 GiB. */
  get journalBytes(): number {
    return this.#journal.bytes;
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
    this.#commitIndex = index;
    if (this.#commitTimer !== null || this.#isClosed) return;
    this.#commitTimer = setTimeout(() => {
      this.#commitTimer = null;
      if (this.#failure === null) {
        this.#storeCommitIndex().catch((error: unknown) => this.#fail(error));
      }
    }, commitIndexIntervalMs);
    this.#commitTimer.unref();
  }

  /**
   * Writes a dump beside, in slices, and syncs it. It becomes the member's dump with the
   * `compact` that follows; until then `openDump` reads it already.
   */
  async writeDump(source: DumpSource, signal?: AbortSignal): Promise<void> {
    this.#assertUsable();
    const dump = await this.#dumps.write(source, signal);
    // In its turn: a compaction under way holds the dump that this one replaces.
    await this.#exclusive(async () => {
      if (signal?.aborted === true) await this.discardDump(dump);
      else await this.#dumps.offer(dump);
    });
    signal?.throwIfAborted();
  }

  /** The newest dump. Null where there is none. */
  async openDump(): Promise<DumpReader | null> {
    this.#assertUsable();
    return await this.#dumps.read();
  }

  /** The newest dump's content, decoded in slices. Null where there is none. */
  async readDump(): Promise<Dump | null> {
    this.#assertUsable();
    return await this.#dumps.decode();
  }

  /** Where entries of a conflict seen now would be kept. */
  conflictPath(now: Date): string {
    return `${this.#files.journal}.conflict-${now.toISOString().replaceAll(/[:.]/g, "-")}`;
  }

  /** A received dump will not be installed. */
  async discardDump(dump: { readonly path: string }): Promise<void> {
    await removeIfThere(this.#fs, dump.path);
  }

  receiveDump(): DumpReceiver {
    this.#assertUsable();
    return this.#dumps.receive();
  }

  /** Stores the commit index and gives the files up. Whatever is asked later is refused. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopTimers();
    await this.#queue;
    try {
      if (this.#failure === null) {
        await this.#journal.confirm();
        await this.#journal.sync();
        await this.#storeCommitIndex();
        await this.#dumps.dropWaiting();
      }
    } finally {
      await this.#journal.close();
      await this.#lock.release();
    }
  }

  /** @returns how many operations were carried out: neighbouring appends go together. */
  async #carryOut(ops: readonly StorageWrite[], at: number): Promise<number> {
    const op = ops[at];
    switch (op?.kind) {
      case undefined:
        return 1;
      case "append": {
        const entries: Entry[] = [];
        let count = 0;
        for (; ops[at + count]?.kind === "append"; count++) {
          const next = ops[at + count];
          if (next?.kind === "append") for (const entry of next.entries) entries.push(entry);
        }
        await this.#journal.append(entries);
        return count;
      }
      case "truncate":
        await this.#truncate(op.fromIndex);
        return 1;
      case "meta":
        await this.#storeTerm(op.term, op.votedFor);
        return 1;
      case "compact":
        await this.#compact(op.keepFrom);
        return 1;
      case "install":
        await this.#install(op.dump, op.keep);
        return 1;
      case "must-refetch":
        await this.#meta.store({ mustRefetch: op.missing });
        return 1;
      case "keep-conflict":
        await writeConflictFile(this.#fs, op.path, op.entries);
        await syncFolder(this.#fs, this.#files.directory);
        return 1;
    }
  }

  async #storeTerm(term: number, votedFor: string | null): Promise<void> {
    const { stored } = this.#meta;
    if (term < stored.term) throw new Error(`term ${term} after ${stored.term}`);
    if (term === stored.term && votedFor === stored.votedFor) return;
    await this.#meta.store({ term, votedFor, commitIndex: this.#commitIndex });
  }

  async #truncate(fromIndex: number): Promise<void> {
    const { current, waiting } = this.#dumps;
    if (current !== null && fromIndex <= current.last.index) {
      throw new Error(`truncation at ${fromIndex}, the dump ends at ${current.last.index}`);
    }
    if (waiting !== null && fromIndex <= waiting.last.index) await this.#dumps.dropWaiting();
    await this.#journal.truncate(fromIndex);
  }

  async #compact(keepFrom: number): Promise<void> {
    const dump = this.#dumps.waiting ?? this.#dumps.current;
    // A leader's dump that was installed meanwhile reaches further.
    // So does one that was written since: the compaction that belongs to it follows.
    if (keepFrom < (dump?.previous.index ?? 0)) return;
    if (dump === null || dump.previous.index !== keepFrom) {
      throw new Error(`compaction from ${keepFrom}, the dump begins at ${dump?.previous.index}`);
    }
    if (dump === this.#dumps.current && this.#journal.firstIndex === keepFrom) return;
    const { last, previous } = dump;
    for (const entry of [previous, last]) {
      if (this.#journal.termAt(entry.index) !== entry.term) {
        throw new Error(`entry ${entry.index} of the dump is not the journal's`);
      }
    }
    await this.#replaceJournal(dump, (journal) =>
      journal.fill([previous, last], this.#journal.restAfter(last.index)),
    );
  }

  async #install(received: ReceivedDump, keep: readonly Entry[]): Promise<void> {
    const { last, previous } = received.dump;
    const dump = { path: received.path, last, previous };
    await this.#replaceJournal(dump, (journal) => journal.fill([previous, last, ...keep]));
    await this.#dumps.dropWaiting();
  }

  /**
   * Makes the new journal beside, synced, then renames dump and journal one directly after the
   * other. A crash between the two leaves the new dump and the old journal, which recovery joins.
   */
  async #replaceJournal(
    dump: Parameters<DumpFiles["putInPlace"]>[0],
    fill: (journal: JournalFile) => Promise<void>,
  ): Promise<void> {
    const { temporaryJournal, journal: path, directory } = this.#files;
    const journal = await createJournal(this.#fs, this.#files);
    try {
      await fill(journal);
    } catch (error) {
      await journal.close();
      await removeIfThere(this.#fs, temporaryJournal);
      throw error;
    }
    try {
      if (dump !== this.#dumps.current) await this.#dumps.putInPlace(dump);
      await this.#fs.rename(temporaryJournal, path);
    } catch (cause) {
      await journal.close();
      // Which of the two are in place is unknown now: only a new start finds out.
      throw syncFault(cause, path);
    }
    await this.#journal.close();
    this.#journal = journal;
    await syncFolder(this.#fs, directory);
  }

  async #storeCommitIndex(): Promise<void> {
    if (this.#meta.stored.commitIndex === this.#commitIndex) return;
    await this.#meta.store({ commitIndex: this.#commitIndex });
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
      this.#startConfirm();
    });
    this.#queue = done.catch(() => {});
    return done;
  }

  /** Only lack of space leaves everything known, so that work may go on. */
  #fail(error: unknown): unknown {
    const isPassing = error instanceof StorageError && error.code === "no-space";
    if (isPassing) {
      this.#logger.error("no space left", { path: error.path });
      return error;
    }
    const failure = storageFault(error, this.#files.journal, "writing");
    this.#failure ??= failure;
    this.#logger.error("storage stopped", { path: failure.path, reason: failure.message });
    return error;
  }

  #startConfirm(): void {
    if (this.#isClosed) return;
    this.#confirmTimer = setTimeout(() => {
      this.#confirmTimer = null;
      const done = this.#queue.then(async () => {
        if (this.#failure === null) await this.#journal.confirm();
      });
      this.#queue = done.catch((error: unknown) => {
        this.#fail(error);
      });
    }, confirmDelayMs);
    this.#confirmTimer.unref();
  }

  #stopConfirm(): void {
    if (this.#confirmTimer !== null) clearTimeout(this.#confirmTimer);
    this.#confirmTimer = null;
  }

  #stopTimers(): void {
    this.#stopConfirm();
    if (this.#commitTimer !== null) clearTimeout(this.#commitTimer);
    this.#commitTimer = null;
  }

  #assertUsable(): void {
    if (this.#failure !== null) throw this.#failure;
    if (this.#isClosed) throw new Error("the storage is closed");
  }
}

function report(opened: OpenedFiles, logger: Logger): Recovered {
  const { plan } = opened;
  for (const { file, kind, message, setAsideTo } of plan.findings) {
    const fields = { file, setAsideTo, mustRefetch: plan.mustRefetch };
    if (kind === "lost") logger.error(message, fields);
    else logger.warn(message, fields);
  }
  return {
    term: plan.term,
    votedFor: plan.votedFor,
    commitIndex: plan.commitIndex,
    entries: plan.entries,
    dump: plan.dump,
    isNew: plan.isNew,
    mustRefetch: plan.mustRefetch,
    findings: plan.findings,
  };
}
