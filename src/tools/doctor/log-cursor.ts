import type { Entry } from "../../../protocol/log/entry.js";
import { type BehindGap, lookBehindGap } from "../../files/behind-gap.js";
import { JournalStream } from "../../files/journal-stream.js";
import type { Watch } from "../../files/watch.js";
import type { FileSystem } from "../../storage/file-system.js";
import type { JournalBatch, JournalStop } from "../../storage/journal-pieces.js";

/** A place in one member's journal, which is read in pieces. */
export class LogCursor {
  readonly name: string;
  /** Where the records cease to hold together; null until the end, or where they do not. */
  stop: JournalStop | null = null;
  /** Entries that PySyncObj has left out there, and what stands behind; null until the end, or where it has not. */
  leftOut: BehindGap | null = null;
  readonly #stream: JournalStream | null;
  readonly #batches: AsyncGenerator<JournalBatch, JournalStop | null> | null;
  #entries: readonly Entry[] = [];
  #position = 0;

  private constructor(name: string, stream: JournalStream | null) {
    this.name = name;
    this.#stream = stream;
    this.#batches = stream?.records() ?? null;
  }

  /** @throws FilesError where the journal cannot be read. */
  static async open(
    fs: FileSystem,
    name: string,
    journal: string | null,
    watch: Watch = {},
  ): Promise<LogCursor> {
    const stream = journal === null ? null : await JournalStream.open(fs, journal, watch);
    const cursor = new LogCursor(name, stream);
    try {
      await cursor.#fill();
      return cursor;
    } catch (error) {
      await cursor.close();
      throw error;
    }
  }

  /** The entry that it stands at; null behind the last one. */
  get head(): Entry | null {
    return this.#entries[this.#position] ?? null;
  }

  /** @returns a promise only where the next piece has to be read. */
  advance(): Promise<void> | null {
    this.#position += 1;
    return this.#position < this.#entries.length ? null : this.#fill();
  }

  async close(): Promise<void> {
    await this.#stream?.close();
  }

  async #fill(): Promise<void> {
    this.#position = 0;
    const step = await this.#batches?.next();
    if (step === undefined || step.done === true) {
      const last = this.#entries.at(-1)?.index ?? 0;
      this.#entries = [];
      if (step !== undefined) await this.#noteStop(step.value ?? null, last);
    } else {
      this.#entries = step.value.entries;
    }
  }

  async #noteStop(stop: JournalStop | null, last: number): Promise<void> {
    if (this.#stream === null || this.stop !== null) return;
    this.stop = this.#stream.breakAfter(stop);
    if (this.stop?.reason !== "gap") return;
    const behind = await lookBehindGap(this.#stream, this.stop.offset, last);
    if (behind?.isLeftOut === true) this.leftOut = behind;
  }
}
