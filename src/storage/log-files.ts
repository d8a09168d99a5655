import type { Entry } from "../../protocol/log/entry.js";
import type { Logger } from "../logger.js";
import { type DumpFile, DumpFiles, type DumpFilesParts, type ReceivedDump } from "./dump-files.js";
import type { FileSystem } from "./file-system.js";
import { type MemberFiles, removeIfThere } from "./files.js";
import type { JournalFile } from "./journal-file.js";
import { createJournal, type OpenedFiles, syncFolder } from "./open-files.js";
import { switchFault } from "./storage-error.js";

export interface LogFilesParts extends DumpFilesParts {
  readonly logger: Logger;
  readonly opened: OpenedFiles;
}

/**
 * The journal and the dump that it goes on from: how new ones take their places, so that a crash
 * leaves the old, the new, or what the next start joins. Not to be called while another call is under
 * way.
 */
export class LogFiles {
  readonly dumps: DumpFiles;
  readonly #fs: FileSystem;
  readonly #files: MemberFiles;
  readonly #logger: Logger;
  #journal: JournalFile;

  constructor(parts: LogFilesParts) {
    this.#fs = parts.fs;
    this.#files = parts.files;
    this.#logger = parts.logger;
    this.#journal = parts.opened.journal;
    this.dumps = new DumpFiles(parts, parts.opened.plan.dump);
  }

  /** Another one after each compaction. */
  get journal(): JournalFile {
    return this.#journal;
  }

  /** Makes a written dump the waiting one; it takes the place of a damaged one at once. */
  async offerDump(dump: DumpFile): Promise<void> {
    const { current } = this.dumps;
    await this.dumps.offer(dump);
    if (this.dumps.current === current) return;
    await syncFolder(this.#fs, this.#files.directory);
    this.#logger.warn("the damaged dump was set aside and written anew", {
      path: this.#files.dump,
    });
  }

  /** Puts the written dump in place and drops what stands before its `previous` entry. */
  async compact(keepFrom: number): Promise<void> {
    const dump = this.dumps.waiting ?? this.dumps.current;
    // A leader's dump that was installed meanwhile reaches further.
    // So does one that was written since: the compaction that belongs to it follows.
    if (keepFrom < (dump?.previous.index ?? 0)) return;
    if (dump === null || dump.previous.index !== keepFrom) {
      throw new Error(`compaction from ${keepFrom}, the dump begins at ${dump?.previous.index}`);
    }
    if (dump === this.dumps.current && this.#journal.firstIndex === keepFrom) return;
    const { last, previous } = dump;
    for (const entry of [previous, last]) {
      if (this.#journal.termAt(entry.index) !== entry.term) {
        throw new Error(`entry ${entry.index} of the dump is not the journal's`);
      }
    }
    const rest = await this.#journal.restAfter(last.index);
    await this.#replaceJournal(dump, (journal) => journal.fill([previous, last], rest));
  }

  /** Puts a leader's dump in place; the journal becomes its two entries, then `keep`. */
  async install(received: ReceivedDump, keep: readonly Entry[]): Promise<void> {
    const { last, previous } = received.dump;
    const dump = { path: received.path, last, previous };
    await this.#replaceJournal(dump, (journal) => journal.fill([previous, last, ...keep]));
    await this.dumps.dropWaiting();
  }

  /**
   * Makes the new journal beside, synced, then renames the dump, syncs the directory, and renames the
   * journal. A crash between the two leaves the new dump and the old journal, which recovery joins.
   * Without the sync a loss of power could leave the new journal with the old dump, and a gap.
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
      if (dump !== this.dumps.current) {
        await this.dumps.putInPlace(dump);
        await this.#fs.syncDirectory(directory);
      }
      await this.#fs.rename(temporaryJournal, path);
    } catch (cause) {
      await journal.close();
      // Which of the two are in place is unknown now: only a new start finds out.
      throw switchFault(cause, path);
    }
    await this.#journal.close();
    this.#journal = journal;
    await syncFolder(this.#fs, directory);
  }
}
