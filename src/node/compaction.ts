import { commandType } from "../../protocol/log/commands.js";
import type { Logger } from "../logger.js";
import type { RaftState } from "../raft/state.js";
import type { Storage } from "../storage/storage.js";
import type { Applier } from "./applier.js";
import type { Clock } from "./clock.js";
import type { CompactionThresholds } from "./config-types.js";
import type { Notes } from "./notes.js";

export interface CompactionHost {
  readonly state: RaftState;
  readonly applier: Applier;
  readonly storage: Storage;
  readonly notes: Notes;
  readonly clock: Clock;
  readonly logger: Logger;
  dumpWritten(previousIndex: number): void;
}

/** When to write a dump, and writing it. Upstream: SyncObj.__tryLogCompaction. */
export class Compaction {
  readonly #host: CompactionHost;
  readonly #thresholds: CompactionThresholds;
  #lastMs: number;
  #lastIndex: number;
  #running: Promise<void> | null = null;
  readonly #abort = new AbortController();

  constructor(host: CompactionHost, thresholds: CompactionThresholds, dumpIndex: number) {
    this.#host = host;
    this.#thresholds = thresholds;
    this.#lastMs = host.clock.monotonicMs();
    this.#lastIndex = dumpIndex;
  }

  /** Starts a dump where the log has grown long or old enough. */
  consider(): void {
    const { state, clock } = this.#host;
    const { minEntries, minTimeMs } = this.#thresholds;
    const isDue = state.log.length > minEntries || clock.monotonicMs() - this.#lastMs > minTimeMs;
    if (!isDue || this.#running !== null || !this.#isPossible()) return;
    this.now().catch((error: unknown) => this.#failed(error));
  }

  /** Writes a dump of the present state; one at a time. */
  now(): Promise<void> {
    this.#running ??= this.#write().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running?.catch(() => undefined);
  }

  /** New since the last dump, durable, and with no change of membership on its way. */
  #isPossible(): boolean {
    const { state, applier } = this.#host;
    const index = applier.appliedIndex;
    if (index === null || index <= this.#lastIndex) return false;
    if (index > state.durableIndex || !state.diskUsable) return false;
    if (!state.log.holds(index) || !state.log.holds(index - 1)) return false;
    return state.log
      .slice(index + 1, state.log.lastIndex)
      .every((entry) => entry.command[0] !== commandType.membership);
  }

  async #write(): Promise<void> {
    const { state, applier, storage, logger, clock } = this.#host;
    const index = applier.appliedIndex;
    if (index === null || !state.log.holds(index - 1)) {
      throw new Error(`no two entries to dump at ${index}`);
    }
    const startedMs = clock.monotonicMs();
    const snapshot = applier.store.beginSnapshot();
    try {
      await storage.writeDump(
        {
          last: state.log.at(index),
          previous: state.log.at(index - 1),
          members: [state.selfId, ...state.members],
          codeVersion: applier.codeVersion,
          records: snapshot.records,
        },
        this.#abort.signal,
      );
    } finally {
      snapshot.end();
    }
    this.#lastMs = clock.monotonicMs();
    this.#lastIndex = index;
    this.#host.notes.clear("dump-failed");
    const tookMs = Math.round(this.#lastMs - startedMs);
    logger.info("dump written", { index, keys: snapshot.size, took_ms: tookMs });
    this.#host.dumpWritten(index - 1);
  }

  #failed(error: unknown): void {
    // Not before another full period: a disk that is full stays full for a while.
    this.#lastMs = this.#host.clock.monotonicMs();
    this.#lastIndex = this.#host.applier.appliedIndex ?? this.#lastIndex;
    if (this.#abort.signal.aborted) return;
    const text = `the dump could not be written, the journal keeps growing: ${String(error)}`;
    this.#host.notes.say({ level: "error", code: "dump-failed", text });
    this.#host.notes.degrade("dump-failed", text);
  }
}
