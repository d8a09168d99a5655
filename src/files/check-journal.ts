import type { Dump } from "../../protocol/files/dump-format.js";
import { journalHeaderBytes } from "../../protocol/files/journal-format.js";
import type { Entry } from "../../protocol/log/entry.js";
import type { FileSystem } from "../storage/file-system.js";
import { eachPiece, type InPieces, type JournalBatch } from "../storage/journal-pieces.js";
import { isBlankJournal, type JournalVerdict, judgeInPieces } from "../storage/journal-verdict.js";
import { keyToText, toJson } from "../store/json-view.js";
import { Store } from "../store/store.js";
import { type BehindGap, lookBehindGap } from "./behind-gap.js";
import { JournalStream } from "./journal-stream.js";
import { listedMax } from "./limits.js";
import { LogSummarizer, type LogSummary } from "./log-summary.js";
import type { RaisedEntry } from "./store-fold.js";
import type { Watch } from "./watch.js";

/** What is known of a journal when all of it was read. */
export interface CheckedJournal {
  readonly isBlank: boolean;
  /** It begins as a journal does. */
  readonly isJournal: boolean;
  readonly isSealed: boolean;
  /** Of the program that made the file, as its header says. */
  readonly version: string;
  readonly bytes: number;
  readonly endOffset: number | null;
  /** What a start of Quorate makes of it; null for a blank one. */
  readonly verdict: JournalVerdict | null;
  /** Of the entries that are kept. */
  readonly log: LogSummary;
  /** The first two entries, as far as there are any. */
  readonly head: readonly Entry[];
  /** The entry of the dump's last index. */
  readonly atDump: Entry | null;
  /** Entries at which PySyncObj's members stop; only those for which the state before is known. */
  readonly raised: readonly RaisedEntry[];
  readonly raisedCount: number;
  /** How the dump's data differ from the fold of the log; null where that cannot be told. */
  readonly storeDifferences: readonly string[] | null;
  /** Whole entries behind the end that go on with the log; `end` is the offset behind the last one. */
  readonly behindEnd: {
    readonly first: number;
    readonly last: number;
    readonly end: number;
  } | null;
  /** Whole records behind entries that are missing. */
  readonly behindGap: BehindGap | null;
  /** Nothing but zeros follows all of these: nothing else can ever have stood in the file. */
  readonly isRestZero: boolean;
}

/** @throws FilesError where it cannot be read. */
export async function checkJournal(
  fs: FileSystem,
  path: string,
  options: { readonly isMetaOurs: boolean; readonly dump: Dump | null; readonly watch: Watch },
): Promise<CheckedJournal> {
  const stream = await JournalStream.open(fs, path, options.watch);
  try {
    const { size, header } = stream;
    const isBlank = await stream.run(isBlankJournal(size));
    const verdict = isBlank ? null : await stream.run(judgeInPieces(size, options.isMetaOurs));
    const pass = new JournalPass(options.dump);
    const to = verdict?.end ?? journalHeaderBytes;
    const range = { from: journalHeaderBytes, to, termJumpMax: Number.POSITIVE_INFINITY };
    for await (const batch of stream.walk(range)) pass.take(batch);
    const isSealed = header !== null && header.seal !== null;
    const last = pass.lastEntry();
    // Of a sealed file zeros follow; what PySyncObj has cut is told by the seal.
    const behindEnd = last === null || isSealed ? null : await entriesBehind(stream, to, last);
    const mayGoOn = verdict?.cause === "gap" || verdict?.cause === "foreign-tail";
    const behindGap =
      last === null || !mayGoOn ? null : await lookBehindGap(stream, to, last.index);
    return {
      isJournal: header?.isJournal === true,
      version: header?.version ?? "",
      ...{ isBlank, isSealed, bytes: size, endOffset: header?.endOffset ?? null, verdict },
      ...pass.result(),
      ...{ behindEnd, behindGap },
      isRestZero: await stream.run(isZeroFrom(behindEnd?.end ?? to, size)),
    };
  } finally {
    await stream.close();
  }
}

async function entriesBehind(
  stream: JournalStream,
  from: number,
  before: Entry,
): Promise<CheckedJournal["behindEnd"]> {
  let first: number | null = null;
  let last = 0;
  let end = from;
  // A term that goes on: what was left of an earlier life of the file has any.
  for await (const { entries, ends } of stream.walk({
    from,
    to: stream.size,
    termJumpMax: 1000,
    before,
  })) {
    first ??= entries[0]?.index ?? null;
    last = entries.at(-1)?.index ?? last;
    end = ends.at(-1) ?? end;
  }
  return first === null ? null : { first, last, end };
}

function* isZeroFrom(from: number, size: number): InPieces<boolean> {
  let isZero = true;
  yield* eachPiece(from, size, (bytes) => {
    isZero = isZero && bytes.every((byte) => byte === 0);
  });
  return isZero;
}

/** One pass over the entries that are kept: what is told of the log, and the store that it makes. */
class JournalPass {
  readonly #dump: Dump | null;
  readonly #summarizer = new LogSummarizer();
  readonly #head: Entry[] = [];
  readonly #raised: RaisedEntry[] = [];
  #raisedCount = 0;
  #atDump: Entry | null = null;
  #last: Entry | null = null;
  /** Null as long as the state before the next entry is not known. */
  #store: Store | null = null;
  #differences: readonly string[] | null = null;

  constructor(dump: Dump | null) {
    this.#dump = dump;
  }

  take({ entries }: JournalBatch): void {
    this.#summarizer.add(entries);
    for (const entry of entries) {
      if (this.#head.length < 2) this.#head.push(copyOf(entry));
      this.#fold(entry);
    }
    const last = entries.at(-1);
    if (last !== undefined) this.#last = { ...last, command: new Uint8Array(0) };
  }

  lastEntry(): Entry | null {
    return this.#last;
  }

  result() {
    return {
      log: this.#summarizer.result(),
      head: this.#head,
      atDump: this.#atDump,
      raised: this.#raised,
      raisedCount: this.#raisedCount,
      storeDifferences: this.#differences,
    };
  }

  #fold(entry: Entry): void {
    const dumpIndex = this.#dump?.last.index ?? 0;
    if (entry.index === 1) this.#store = new Store();
    // A journal that begins right behind the dump.
    else if (this.#dump !== null && this.#store === null && entry.index === dumpIndex + 1) {
      this.#store = Store.fromDump(this.#dump.data);
    }
    if (this.#store !== null) {
      const outcome = this.#store.apply(entry.command, entry.index);
      if ("raised" in outcome) this.#noteRaised(entry.index, outcome.raised);
    }
    if (this.#dump === null || entry.index !== dumpIndex) return;
    this.#atDump = copyOf(entry);
    if (this.#store !== null) this.#differences = differencesFrom(this.#dump, this.#store);
    // From here on the dump counts, as it does at a start.
    this.#store = Store.fromDump(this.#dump.data);
  }

  #noteRaised(index: number, reason: string): void {
    this.#raisedCount += 1;
    if (this.#raised.length < listedMax) this.#raised.push({ index, reason });
  }
}

/** The command would keep its whole piece in memory. */
function copyOf(entry: Entry): Entry {
  return { ...entry, command: new Uint8Array(entry.command) };
}

/** Keys whose values differ, or that only one of the two holds; key by key, so that no copy is made. */
function differencesFrom(dump: Dump, fold: Store): string[] {
  const found: string[] = [];
  const note = (text: string) => {
    if (found.length < listedMax) found.push(text);
  };
  let shared = 0;
  for (const [key, dict] of dump.data) {
    const held = fold.get(key);
    if (held !== null) shared += 1;
    if (!(dict instanceof Map)) continue;
    if (held === null) note(`${keyToText(key)} is in the dump only`);
    else if (JSON.stringify(toJson(held)) !== JSON.stringify(toJson(dict))) {
      note(`${keyToText(key)} has another value`);
    }
  }
  if (shared < fold.size) {
    const dumped = Store.fromDump(dump.data);
    for (const [key] of fold.entries()) {
      if (dumped.get(key) === null) note(`${keyToText(key)} is not in the dump`);
    }
  }
  return found;
}
