import { gunzipSync } from "node:zlib";
import { type LoadedDump, parseDump } from "../../protocol/files/dump-format.js";
import type { Entry } from "../../protocol/log/entry.js";
import { decodePickle } from "../../protocol/pickle/decoder.js";
import { encodePickle } from "../../protocol/pickle/encoder.js";
import { pickleDumpLimits } from "../../protocol/pickle/limits.js";
import type { PyDict, PyValue } from "../../protocol/pickle/values.js";
import { decodeEntryTuple } from "../../protocol/wire/message-codec.js";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import { Store } from "../../src/store/store.js";
import type { Tapped } from "./wire-tap.js";

/** Where a fold can begin. */
interface Base {
  readonly index: number;
  readonly data: PyDict;
}

/** A log begins with an entry that everybody has and nobody sends. */
const empty: Base = { index: 1, data: new Map() };

/**
 * The log as the messages of a traced member tell it: the entries that leaders have sent it, that it has
 * sent as leader, and the dumps that it was sent. None of it comes from the member's files.
 */
export class ToldLog {
  readonly #entries = new Map<number, Entry>();
  readonly #bases: Base[] = [empty];
  /** Of an entry or dump that is under way, by connection, direction and kind. */
  readonly #pieces = new Map<string, Uint8Array[]>();
  #term = 0;

  /** A new process of the member: what was under way is lost. */
  restarted(): void {
    this.#pieces.clear();
  }

  entry(index: number): Entry | undefined {
    return this.#entries.get(index);
  }

  /** @returns the entries that the message tells, or completes. */
  take(tapped: Tapped, message: PeerMessage): readonly Entry[] {
    switch (message.type) {
      case "append_entries":
        this.#note(message.term, message.entries);
        return message.entries;
      case "append_chunk": {
        const { transmission, data, term } = message;
        const whole = this.#piece(tapped, message.type, {
          ...{ data, isFirst: transmission === "start", isLast: transmission === "finish" },
        });
        const entries = whole === null ? [] : [decodeEntryTuple(whole)];
        this.#note(term, entries);
        return entries;
      }
      case "install_snapshot": {
        if (message.chunk === null) return [];
        const whole = this.#piece(tapped, message.type, message.chunk);
        if (whole !== null && tapped.direction === "received") this.#restore(message.term, whole);
        return [];
      }
      default:
        return [];
    }
  }

  /** What the dump holds otherwise than those entries make it; null: nothing. */
  differenceOf(dump: LoadedDump): string | null {
    for (const { index, term, command } of [dump.previous, dump.last]) {
      const told = this.#entries.get(index);
      if (told !== undefined && (told.term !== term || !isSame(told.command, command))) {
        return `its entry ${index} of term ${term} is another one than was told`;
      }
    }
    const store = this.#fold(dump.last.index);
    if (typeof store === "string") return store;
    const expected = new Map([...store.entries()].map(([key, value]) => [textOf(key), value]));
    const dumped = Store.fromDump(dump.data);
    for (const [key, value] of dumped.entries()) {
      const wanted = expected.get(textOf(key));
      if (wanted === undefined) return `it holds ${String(key)}, which no entry has set`;
      if (textOf(value) !== textOf(wanted)) return `its value of ${String(key)} is another one`;
    }
    if (dumped.size === expected.size) return null;
    return `it holds ${dumped.size} of ${expected.size} keys`;
  }

  #piece(
    { connection, direction }: Tapped,
    kind: string,
    { data, isFirst, isLast }: { data: Uint8Array; isFirst: boolean; isLast: boolean },
  ): Uint8Array | null {
    const way = `${connection} ${direction} ${kind}`;
    const pieces = isFirst ? [data] : [...(this.#pieces.get(way) ?? []), data];
    this.#pieces.set(way, pieces);
    return isLast ? Buffer.concat(pieces) : null;
  }

  /** The newest leader's entries take the place of others; one that was replaced is believed no more. */
  #note(term: number, entries: readonly Entry[]): void {
    if (term < this.#term) return;
    this.#term = term;
    for (const entry of entries) this.#entries.set(entry.index, entry);
  }

  #restore(term: number, file: Uint8Array): void {
    if (term < this.#term) return;
    const { data, last, previous } = parseDump(decodePickle(gunzipSync(file), pickleDumpLimits));
    this.#note(term, [previous, last]);
    this.#bases.push({ index: last.index, data });
  }

  /** The store after that entry, or why it is not known. */
  #fold(index: number): Store | string {
    const before = this.#bases.filter((base) => base.index <= index);
    const base = before.reduce((best, one) => (one.index > best.index ? one : best), empty);
    const store = Store.fromDump(base.data);
    for (let at = base.index + 1; at <= index; at++) {
      const entry = this.#entries.get(at);
      if (entry === undefined) return `it ends at ${index}, and entry ${at} was never told`;
      store.apply(entry.command, at);
    }
    return store;
  }
}

export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function textOf(value: PyValue): string {
  return Buffer.from(encodePickle(value)).toString("latin1");
}
