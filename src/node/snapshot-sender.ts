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
  isObserver(id: string): boolean;
  send(to: string, message: PeerMessage): void;
  /** Bytes that wait in the receiver's socket. */
  buffered(to: string): number;
  /** Bytes of the dump that have not come so far: an answer before them waits for the disk. */
  held(to: string): number;
  sent(to: string, lastIndex: number): void;
  notSent(to: string): void;
}

interface Run {
  readonly abort: AbortController;
  readonly isForObserver: boolean;
  /** Another one is wanted when this one has ended. */
  isWantedAgain: boolean;
}

/**
 * Streams the dump file to followers and observers whose next entry the log no longer holds. A run that is
 * given up ends where it next looks, and has the file open until then: so there is one for each receiver, and
 * few for all observers together.
 */
export class SnapshotSender {
  readonly #host: SnapshotSenderHost;
  readonly #notes: Notes;
  readonly #running = new Map<string, Run>();
  /** Observers, in the order of coming. */
  readonly #waiting = new Set<string>();

  constructor(host: SnapshotSenderHost, notes: Notes) {
    this.#host = host;
    this.#notes = notes;
  }

  start(to: string): void {
    const run = this.#running.get(to);
    if (run !== undefined) {
      run.abort.abort();
      run.isWantedAgain = true;
    } else if (this.#host.isObserver(to)) {
      this.#waiting.add(to);
      this.#beginWaiting();
    } else this.#begin(to, false);
  }

  cancel(to: string): void {
    this.#waiting.delete(to);
    const run = this.#running.get(to);
    if (run === undefined) return;
    run.abort.abort();
    run.isWantedAgain = false;
  }

  cancelAll(): void {
    this.#waiting.clear();
    for (const to of this.#running.keys()) this.cancel(to);
  }

  #beginWaiting(): void {
    const runs = [...this.#running.values()];
    let free = nodeLimits.observerDumpsMax - runs.filter((run) => run.isForObserver).length;
    for (; free > 0 && this.#waiting.size > 0; free -= 1) {
      const [first] = this.#waiting;
      const next = [...this.#waiting].find((to) => !this.#isFull(to)) ?? first;
      if (next === undefined) return;
      this.#waiting.delete(next);
      this.#begin(next, true);
    }
  }

  #begin(to: string, isForObserver: boolean): void {
    const run: Run = { abort: new AbortController(), isForObserver, isWantedAgain: false };
    this.#running.set(to, run);
    this.#send(to, run)
      .catch((error: unknown) => {
        const text = `cannot send a dump to ${to}: ${String(error)}`;
        this.#notes.say({ level: "warn", code: "dump-not-sent", text });
        if (!run.abort.signal.aborted) this.#host.notSent(to);
      })
      .finally(() => {
        this.#running.delete(to);
        if (run.isWantedAgain) this.start(to);
        this.#beginWaiting();
      });
  }

  async #send(to: string, run: Run): Promise<void> {
    const { signal } = run.abort;
    const dump = await this.#usableDump(signal);
    if (dump === null) return;
    try {
      if (signal.aborted) return;
      this.#notes.tell("dump-sent", `sending a dump up to index ${dump.lastIndex} to ${to}`);
      let isFirst = true;
      let patienceMs = nodeLimits.observerDumpWaitMs;
      for (;;) {
        const data = await dump.read(nodeLimits.snapshotChunkBytes);
        while (!signal.aborted && this.#isFull(to)) {
          if (run.isForObserver && patienceMs <= 0 && this.#waiting.size > 0) {
            throw new Error("it does not read, and others wait");
          }
          await pause(this.#host.clock, lookMs);
          patienceMs -= lookMs;
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
        patienceMs += data.length / nodeLimits.observerDumpBytesPerMs;
      }
      this.#host.sent(to, dump.lastIndex);
    } finally {
      await dump.close();
    }
  }

  #isFull(to: string): boolean {
    return this.#host.buffered(to) + this.#host.held(to) > nodeLimits.snapshotBufferedBytesMax;
  }

  /** The dump on disk where the log goes on after it, a new one otherwise; null where nobody wants it any more. */
  async #usableDump(signal: AbortSignal): Promise<DumpReader | null> {
    const dump = await this.#host.openDump();
    const { first, last } = this.#host.logRange();
    if (dump !== null && dump.lastIndex >= first && dump.lastIndex <= last) return dump;
    await dump?.close();
    if (signal.aborted) return null;
    await this.#host.makeDump();
    if (signal.aborted) return null;
    const fresh = await this.#host.openDump();
    if (fresh === null) throw new Error("no dump was written");
    return fresh;
  }
}

/** Between two looks at whether a receiver has read what was sent. */
const lookMs = 5;
