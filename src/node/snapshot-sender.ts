import type { PeerMessage } from "../../protocol/wire/messages.js";
import { type Clock, pause } from "../clock.js";
import type { DumpReader } from "../storage/storage.js";
import { nodeLimits } from "./limits.js";
import type { Notes } from "./notes.js";

export interface SnapshotSenderHost {
  readonly clock: Clock;
  openDump(): Promise<DumpReader | null>;
  /** Writes a dump now; resolves when it can be opened. */
  makeDump(): Promise<void>;
  /** First and last index that the log holds. */
  logRange(): { first: number; last: number };
  leadership(): { term: number; commitIndex: number };
  send(to: string, message: PeerMessage): void;
  buffered(to: string): number;
  sent(to: string, lastIndex: number): void;
  notSent(to: string): void;
}

/** Streams the dump file to followers and observers whose next entry the log no longer holds. */
export class SnapshotSender {
  readonly #host: SnapshotSenderHost;
  readonly #notes: Notes;
  readonly #running = new Map<string, AbortController>();

  constructor(host: SnapshotSenderHost, notes: Notes) {
    this.#host = host;
    this.#notes = notes;
  }

  start(to: string): void {
    this.cancel(to);
    const abort = new AbortController();
    this.#running.set(to, abort);
    this.#run(to, abort.signal)
      .catch((error: unknown) => {
        const text = `cannot send a dump to ${to}: ${String(error)}`;
        this.#notes.say({ level: "warn", code: "dump-not-sent", text });
        if (!abort.signal.aborted) this.#host.notSent(to);
      })
      .finally(() => {
        if (this.#running.get(to) === abort) this.#running.delete(to);
      });
  }

  cancel(to: string): void {
    this.#running.get(to)?.abort();
    this.#running.delete(to);
  }

  cancelAll(): void {
    for (const to of [...this.#running.keys()]) this.cancel(to);
  }

  async #run(to: string, signal: AbortSignal): Promise<void> {
    const dump = await this.#usableDump();
    try {
      this.#notes.tell("dump-sent", `sending a dump up to index ${dump.lastIndex} to ${to}`);
      let isFirst = true;
      for (;;) {
        const data = await dump.read(nodeLimits.snapshotChunkBytes);
        while (!signal.aborted && this.#isFull(to)) {
          await pause(this.#host.clock, 5);
        }
        if (signal.aborted) return;
        const isLast = data.length === 0;
        const { term, commitIndex } = this.#host.leadership();
        const chunk = { data, isFirst, isLast };
        // Upstream commits its own log up to the leader's commit index with each piece but the last
        // (SyncObj.__onMessageReceived): a tail of its own that the dump is to replace, and tells its
        // callers that it is done.
        const said = isLast ? commitIndex : 1;
        this.#host.send(to, { type: "install_snapshot", term, commitIndex: said, chunk });
        isFirst = false;
        if (isLast) break;
      }
      this.#host.sent(to, dump.lastIndex);
    } finally {
      await dump.close();
    }
  }

  #isFull(to: string): boolean {
    return this.#host.buffered(to) > nodeLimits.snapshotBufferedBytesMax;
  }

  /** The dump on disk where the log goes on after it, a new one otherwise. */
  async #usableDump(): Promise<DumpReader> {
    const dump = await this.#host.openDump();
    const { first, last } = this.#host.logRange();
    if (dump !== null && dump.lastIndex >= first && dump.lastIndex <= last) return dump;
    await dump?.close();
    await this.#host.makeDump();
    const fresh = await this.#host.openDump();
    if (fresh === null) throw new Error("no dump was written");
    return fresh;
  }
}
