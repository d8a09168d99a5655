import type { FileSystem } from "../storage/file-system.js";
import type { JournalBatch, JournalStop } from "../storage/journal-pieces.js";
import { Store } from "../store/store.js";
import type { MemberPaths } from "./data-path.js";
import { FilesError } from "./files-error.js";
import { JournalStream } from "./journal-stream.js";
import { listedMax } from "./limits.js";
import { readDump } from "./read-dump.js";
import type { Watch } from "./watch.js";

/** An entry at which PySyncObj's members stop for good; ours pass over it. */
export interface RaisedEntry {
  readonly index: number;
  readonly reason: string;
}

export interface FoldOptions {
  readonly watch?: Watch;
  /** Begin at entry 1 also where there is a dump. */
  readonly ignoresDump?: boolean;
}

/**
 * The store that a member's files make, entry by entry: from the dump on where it reaches back far
 * enough, otherwise from the first entry. Goes forward only. In memory are the store, and a piece of
 * the journal.
 */
export class StoreFold {
  readonly store: Store;
  /** The index of which the fold began: of the dump, or 0. */
  readonly baseIndex: number;
  /** The first of the entries that raise, as many as `listedMax`. */
  readonly raised: RaisedEntry[] = [];
  raisedCount = 0;
  /** Why there is no use of the dump that lies there; null where it is whole, or there is none. */
  readonly dumpFault: string | null;
  /** Of the dump's last entry; null without a dump. */
  readonly #baseTerm: number | null;
  /** Of a dump that ends behind what was asked for. */
  readonly #laterDump: number | null;
  readonly #path: string;
  readonly #journal: JournalStream | null;
  readonly #batches: AsyncGenerator<JournalBatch, JournalStop | null> | null;
  #batch: JournalBatch | null = null;
  #position = 0;
  #index: number;
  #broken: JournalStop | null = null;

  private constructor(base: Base, path: string, journal: JournalStream | null) {
    this.dumpFault = base.dumpFault;
    this.store = base.store;
    this.baseIndex = base.index;
    this.#index = base.index;
    this.#baseTerm = base.term;
    this.#laterDump = base.later;
    this.#path = path;
    this.#journal = journal;
    this.#batches = journal?.records() ?? null;
  }

  /**
   * @param until The lowest index that will be asked for: a dump beyond it is of no use.
   * @throws FilesError `not-held` where the files do not reach back so far.
   */
  static async open(
    fs: FileSystem,
    paths: Pick<MemberPaths, "journal" | "dump" | "directory" | "address">,
    until: number,
    options: FoldOptions = {},
  ): Promise<StoreFold> {
    const { watch = {}, ignoresDump = false } = options;
    const where = paths.journal ?? paths.dump ?? `${paths.directory}/${paths.address}`;
    const base = await baseOf(fs, ignoresDump ? null : paths.dump, { until, watch });
    if (paths.journal === null) return new StoreFold(base, where, null);
    const journal = await JournalStream.open(fs, paths.journal, watch);
    const fold = new StoreFold(base, where, journal);
    try {
      await fold.#checkStart(until);
      return fold;
    } catch (error) {
      await journal.close();
      throw error;
    }
  }

  /** The last entry that is in the store. */
  get index(): number {
    return this.#index;
  }

  /** Where the journal breaks off, once the fold has come to it: what was behind is not in the store. */
  get broken(): JournalStop | null {
    return this.#broken;
  }

  /**
   * Applies the entries up to an index.
   *
   * @throws FilesError `not-held` where the log ends before.
   */
  async advance(to: number): Promise<void> {
    if (to < this.#index) throw new Error(`the fold stands at ${this.#index}, not before ${to}`);
    await this.#run(to);
    if (this.#laterDump !== null && this.#journal === null) {
      const message = `entry ${to} is not in these files: the dump shows ${this.#laterDump} only`;
      throw new FilesError("not-held", this.#path, message);
    }
    if (this.#index < to) {
      const message = `entry ${to} is not in these files: they end at ${this.#index}`;
      throw new FilesError("not-held", this.#path, message);
    }
  }

  /** Applies all that is there. */
  async advanceToEnd(): Promise<void> {
    await this.#run(Number.POSITIVE_INFINITY);
  }

  async close(): Promise<void> {
    await this.#journal?.close();
  }

  async #run(to: number): Promise<void> {
    while (this.#index < to) {
      const batch = this.#batch ?? (await this.#nextBatch());
      if (batch === null) return;
      for (; this.#position < batch.entries.length; this.#position++) {
        const entry = batch.entries[this.#position];
        if (entry === undefined || entry.index > to) break;
        if (entry.index > this.#index) this.#apply(entry.command, entry.index);
        else if (entry.index === this.baseIndex) this.#checkBase(entry.term);
      }
      if (this.#position >= batch.entries.length) this.#batch = null;
    }
  }

  #apply(command: Uint8Array, index: number): void {
    // A value that is bytes would be a view of all the batch.
    const outcome = this.store.apply(command, index);
    this.#index = index;
    if (!("raised" in outcome)) return;
    this.raisedCount += 1;
    if (this.raised.length < listedMax) this.raised.push({ index, reason: outcome.raised });
  }

  #checkBase(term: number): void {
    if (term === this.#baseTerm) return;
    const message =
      `the journal contradicts the dump at entry ${this.baseIndex} (term ${term}, in the dump ` +
      `${this.#baseTerm}): see quorate verify`;
    throw new FilesError("not-held", this.#path, message);
  }

  async #nextBatch(): Promise<JournalBatch | null> {
    const step = await this.#batches?.next();
    this.#position = 0;
    this.#batch = step === undefined || step.done === true ? null : step.value;
    if (step?.done === true) this.#broken ??= this.#journal?.breakAfter(step.value ?? null) ?? null;
    return this.#batch;
  }

  async #checkStart(until: number): Promise<void> {
    const first = (await this.#nextBatch())?.entries[0];
    if (first === undefined || first.index <= this.#index + 1) return;
    const begins = `the journal begins at entry ${first.index}`;
    const wanted = until === Number.POSITIVE_INFINITY ? "" : `, up to ${until}`;
    const later =
      this.#laterDump === null
        ? ""
        : ` (it can be shown from entry ${this.#laterDump} on, where the dump ends)`;
    const message =
      this.#index > 0
        ? `${begins}, the dump ends at ${this.#index}: what lies between is not there`
        : this.dumpFault === null
          ? `${begins}, and no dump holds what came before${wanted}${later}`
          : `${begins}, and the dump with what came before is damaged (${this.dumpFault}): see quorate verify`;
    throw new FilesError("not-held", this.#path, message);
  }
}

/** What a fold begins with. */
interface Base {
  readonly store: Store;
  readonly index: number;
  readonly term: number | null;
  readonly later: number | null;
  readonly dumpFault: string | null;
}

async function baseOf(
  fs: FileSystem,
  path: string | null,
  { until, watch }: { readonly until: number; readonly watch: Watch },
): Promise<Base> {
  const read = path === null ? null : await readDump(fs, path, watch);
  const dumpFault = read?.kind === "damaged" ? read.reason : null;
  if (read?.kind !== "dump" || read.dump.last.index > until) {
    const later = read?.kind === "dump" ? read.dump.last.index : null;
    return { store: new Store(), index: 0, term: null, later, dumpFault };
  }
  const { data, last } = read.dump;
  const { index, term } = last;
  return { store: Store.fromDump(data), index, term, later: null, dumpFault };
}
