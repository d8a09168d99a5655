import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "./eventually.js";
import type { KvData } from "./kv-data.js";
import type { WritingClient } from "./writing-client.js";

/**
 * Writers at once: PySyncObj up to 0.3.11 sends entries with its heartbeats only, ten times a
 * second, however many there are.
 */
const writersAtOnce = 16;
/** Between two writes of one writer, so that the writes last as long as what happens to leaders. */
const pauseMs = 120;
/** After a write that was not acknowledged. */
const retryMs = 100;
/** A call that nobody answers is given up after 10 s; then an election or two. */
const progressMsMax = 60_000;
const createdSec = 1_700_000_000.25;

interface Ack {
  readonly value: string;
  /** Log index that the client's own copy of the log gave the write. */
  readonly index: number;
  readonly attempts: number;
  /** When the acknowledgement came, in milliseconds of performance.now(). */
  readonly atMs: number;
}

export interface LoadOptions {
  readonly writers?: number;
}

/**
 * Writes keys through clients that come and go until it is told to finish. A write counts as
 * acknowledged when Patroni's own client says that it was applied.
 */
export class Load {
  readonly acked = new Map<string, Ack>();
  /** Attempts that were not acknowledged, and were made again. */
  retries = 0;
  readonly #clients: () => readonly WritingClient[];
  readonly #writers: Promise<void>[];
  #number = 0;
  #countMin = Number.POSITIVE_INFINITY;
  #isStopped = false;

  /** @param clients The ones that can be used at the moment, at least one. */
  constructor(clients: () => readonly WritingClient[], options: LoadOptions = {}) {
    this.#clients = clients;
    const { writers = writersAtOnce } = options;
    this.#writers = Array.from({ length: writers }, (_, writer) => this.#write(writer));
  }

  /** Waits for this many more acknowledged writes. */
  async more(count: number): Promise<void> {
    const wanted = this.acked.size + count;
    await eventually(
      `${wanted} acknowledged writes`,
      () => {
        if (this.acked.size < wanted) throw new Error(`${this.acked.size}`);
        return true;
      },
      { timeoutMs: progressMsMax },
    );
  }

  /** Goes on to this many acknowledged writes altogether, at full speed, and ends. */
  async finish(countMin: number): Promise<void> {
    this.#countMin = countMin;
    await Promise.all(this.#writers);
  }

  /** Ends after the writes under way. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Acknowledgements since a time of performance.now(), and the longest time without one. */
  since(fromMs: number): { readonly acked: number; readonly longestPauseMs: number } {
    let [acked, last, longestPauseMs] = [0, fromMs, 0];
    // In the order in which they came: the map keeps it.
    for (const { atMs } of this.acked.values()) {
      if (atMs < fromMs) continue;
      acked += 1;
      longestPauseMs = Math.max(longestPauseMs, atMs - last);
      last = atMs;
    }
    return { acked, longestPauseMs: Math.max(longestPauseMs, performance.now() - last) };
  }

  /** What of the acknowledged writes is not in a member's data, a line each. */
  lost(data: KvData): string[] {
    const lines: string[] = [];
    for (const [key, ack] of this.acked) {
      const record = data.entries[key];
      const said = `${key}: acknowledged at index ${ack.index} (attempt ${ack.attempts})`;
      if (record === undefined) lines.push(`${said}, missing`);
      else if (record.value !== ack.value) lines.push(`${said}, has ${String(record.value)}`);
      // An attempt that was given up may have come later than the one acknowledged, never earlier.
      else if (record.index < ack.index) lines.push(`${said}, is of index ${record.index}`);
      else if (ack.attempts === 1 && record.index !== ack.index) {
        lines.push(`${said} once, is of index ${record.index}`);
      }
    }
    return lines;
  }

  async #write(writer: number): Promise<void> {
    while (!this.#isStopped && this.#number < this.#countMin) {
      const number = this.#number;
      this.#number += 1;
      await this.#writeOne(writer, number);
      if (this.#countMin === Number.POSITIVE_INFINITY) await sleep(pauseMs);
    }
  }

  async #writeOne(writer: number, number: number): Promise<void> {
    const key = `/load/${number % 5 === 0 ? "ключ-" : ""}${number}`;
    const value = `${number} Größe ${"v".repeat(number % 97)}`;
    const times = { created: createdSec + number, updated: createdSec + 2 * number };
    for (let attempts = 1; !this.#isStopped; attempts++) {
      const clients = this.#clients();
      const client = clients[(writer + attempts - 1) % clients.length];
      const index = client === undefined ? null : await client.setOnce(key, { value, ...times });
      if (index !== null) {
        this.acked.set(key, { value, index, attempts, atMs: performance.now() });
        return;
      }
      this.retries += 1;
      await sleep(retryMs);
    }
  }
}
