import { crc32 } from "node:zlib";
import { journalHeaderBytes, recordOverheadBytes } from "../../protocol/files/journal-format.js";
import type { Entry } from "../../protocol/log/entry.js";
import type { Clock } from "../clock.js";
import type { FileSystem } from "../storage/file-system.js";
import { FilesError } from "./files-error.js";
import { JournalStream } from "./journal-stream.js";
import { followDoubtMs, followPollMs, listedMax } from "./limits.js";

export type FollowEvent =
  | { readonly kind: "entries"; readonly entries: readonly Entry[] }
  /** The entries from this index on are gone, or others have taken their places. */
  | { readonly kind: "cut"; readonly from: number }
  /** The journal was compacted beyond what was read: these entries were never seen. */
  | { readonly kind: "gap"; readonly from: number; readonly to: number }
  /** What stands there holds together up to this offset only, and stays so. */
  | { readonly kind: "broken"; readonly offset: number };

/** The last entry that was told of, and where its record ended. */
interface Told {
  readonly index: number;
  readonly term: number;
  readonly sum: number;
  readonly end: number;
}

/**
 * Tells the entries of a journal, and then those that come, until the signal aborts. The journal may be
 * cut, compacted in place (as upstream does) or replaced by another file meanwhile: the place is found
 * again by the entries' indices and terms.
 *
 * @throws FilesError where the journal cannot be read, or is gone for longer than a moment.
 */
export async function* followJournal(
  fs: FileSystem,
  path: string,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): AsyncGenerator<FollowEvent, void> {
  const follower = new Follower(fs, path);
  while (!signal.aborted) {
    yield* follower.look(clock.monotonicMs());
    if (!signal.aborted) await idle(clock, signal);
  }
}

class Follower {
  readonly #fs: FileSystem;
  readonly #path: string;
  #told: Told | null = null;
  /** Terms of what was told, by the first index of each run; the oldest are forgotten. */
  readonly #runs: { readonly first: number; readonly term: number }[] = [];
  /** Since when the journal has looked shorter, or broken, or gone. */
  #doubtSinceMs: number | null = null;
  #brokenAt: number | null = null;

  constructor(fs: FileSystem, path: string) {
    this.#fs = fs;
    this.#path = path;
  }

  async *look(nowMs: number): AsyncGenerator<FollowEvent, void> {
    let stream: JournalStream;
    try {
      stream = await JournalStream.open(this.#fs, this.#path);
    } catch (error) {
      const isGone = error instanceof FilesError && error.code === "no-such-path";
      if (isGone && this.#told !== null && !this.#isSure(nowMs)) return;
      throw error;
    }
    try {
      const told = this.#told;
      const isInPlace = told !== null && (await holdsAt(stream, told));
      yield* this.#tell(stream, isInPlace ? told.end : journalHeaderBytes, nowMs);
    } finally {
      await stream.close();
    }
  }

  async *#tell(
    stream: JournalStream,
    from: number,
    nowMs: number,
  ): AsyncGenerator<FollowEvent, void> {
    const to = stream.isEndUsable ? stream.end : journalHeaderBytes;
    const before = from === journalHeaderBytes ? undefined : this.#lastEntry();
    const range = { from, to, termJumpMax: Number.POSITIVE_INFINITY, before };
    const batches = stream.walk(range);
    let last: number | null = null;
    let step = await batches.next();
    for (; step.done !== true; step = await batches.next()) {
      const { entries, ends } = step.value;
      last = entries.at(-1)?.index ?? last;
      yield* this.#news(entries, ends);
    }
    const isShorter =
      from === journalHeaderBytes && this.#told !== null && (last ?? 0) < this.#told.index;
    if (step.value === null && !isShorter) {
      this.#doubtSinceMs = null;
      this.#brokenAt = null;
    } else if (this.#isSure(nowMs)) {
      if (step.value !== null && step.value.offset !== this.#brokenAt) {
        this.#brokenAt = step.value.offset;
        yield { kind: "broken", offset: step.value.offset };
      } else if (step.value === null && isShorter) yield this.#cut((last ?? 0) + 1, last);
    }
  }

  /** What of these entries was not told yet, or otherwise. */
  *#news(entries: readonly Entry[], ends: readonly number[]): Generator<FollowEvent, void> {
    const changed = entries.findIndex(
      ({ index, term }) => (this.#termOf(index) ?? term) !== term && index <= this.#lastIndex(),
    );
    const [first] = entries;
    if (changed >= 0) {
      const from = entries[changed]?.index ?? 0;
      yield this.#cut(from, from - 1);
    } else if (first !== undefined && this.#told !== null && first.index > this.#told.index + 1) {
      yield { kind: "gap", from: this.#told.index + 1, to: first.index - 1 };
    }
    const news = entries.filter(({ index }) => index > this.#lastIndex());
    const last = entries.at(-1);
    if (news.length > 0) yield { kind: "entries", entries: news };
    for (const { index, term } of news) this.#remember(index, term);
    if (last !== undefined && last.index >= this.#lastIndex()) {
      const { index, term, command } = last;
      this.#told = { index, term, sum: crc32(command), end: ends.at(-1) ?? 0 };
    }
  }

  #cut(from: number, last: number | null): FollowEvent {
    while ((this.#runs.at(-1)?.first ?? 0) >= from) this.#runs.pop();
    const index = last ?? 0;
    this.#told = { index, term: this.#termOf(index) ?? 0, sum: 0, end: 0 };
    return { kind: "cut", from };
  }

  #remember(index: number, term: number): void {
    if (this.#runs.at(-1)?.term === term) return;
    this.#runs.push({ first: index, term });
    if (this.#runs.length > listedMax) this.#runs.shift();
  }

  /** Null where it was not told, or is forgotten. */
  #termOf(index: number): number | null {
    if (index > this.#lastIndex()) return null;
    return this.#runs.findLast(({ first }) => first <= index)?.term ?? null;
  }

  #lastIndex(): number {
    return this.#told?.index ?? 0;
  }

  #lastEntry(): Entry | undefined {
    const told = this.#told;
    if (told === null) return undefined;
    return { index: told.index, term: told.term, command: new Uint8Array(0) };
  }

  /** Whether it has looked so for long enough. */
  #isSure(nowMs: number): boolean {
    this.#doubtSinceMs ??= nowMs;
    return nowMs - this.#doubtSinceMs >= followDoubtMs;
  }
}

/** Whether the record that was told last still ends where it did. */
async function holdsAt(stream: JournalStream, told: Told): Promise<boolean> {
  if (told.end < journalHeaderBytes + recordOverheadBytes || told.end > stream.end) return false;
  const size = uint32At(await stream.read(told.end - 4, 4), 0);
  const start = told.end - size - 8;
  if (size < 16 || start < journalHeaderBytes) return false;
  for await (const { entries } of stream.walk({
    ...{ from: start, to: told.end, termJumpMax: Number.POSITIVE_INFINITY },
  })) {
    const [entry] = entries;
    if (entry === undefined) return false;
    const { index, term, command } = entry;
    return index === told.index && term === told.term && crc32(command) === told.sum;
  }
  return false;
}

function uint32At(bytes: Uint8Array, at: number): number {
  if (bytes.length < at + 4) return 0;
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at, true);
}

function idle(clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.after(followPollMs, done);
    function done(): void {
      signal.removeEventListener("abort", done);
      timer.cancel();
      resolve();
    }
    signal.addEventListener("abort", done, { once: true });
  });
}
