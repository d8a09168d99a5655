import { commandType } from "../../protocol/log/commands.js";
import type { Clock, Timer } from "../clock.js";
import type { Logger } from "../logger.js";
import { raftLimits } from "../raft/limits.js";
import { isLogFull } from "../raft/log-bound.js";
import type { Progress } from "../raft/progress.js";
import type { RaftState } from "../raft/state.js";
import type { Storage } from "../storage/storage.js";
import type { Applier } from "./applier.js";
import type { CompactionThresholds } from "./config-types.js";
import { nodeLimits } from "./limits.js";
import { heavyLogBytes } from "./log-bytes.js";
import type { Notes } from "./notes.js";

const damagedText =
  "the dump on disk is damaged: it is sent to nobody, a new one is written from memory, where nothing is " +
  "missing, and the old one is kept beside it. Check the disk";

export interface CompactionHost {
  readonly state: RaftState;
  readonly applier: Applier;
  readonly storage: Pick<Storage, "writeDump" | "needsDump" | "journalBytes">;
  readonly notes: Notes;
  readonly clock: Clock;
  readonly logger: Logger;
  dumpWritten(previousIndex: number): void;
  /** Another member is to lead, if one can: this one, which leads, cannot take much more. */
  handOver(): void;
}

/** When to write a dump, and writing it. Upstream: SyncObj.__tryLogCompaction. */
export class Compaction {
  readonly #host: CompactionHost;
  readonly #thresholds: CompactionThresholds;
  #lastMs: number;
  #lastIndex: number;
  /** Up to here was committed when the member started. */
  readonly #startIndex: number;
  #running: Promise<void> | null = null;
  #timer: Timer | null = null;
  /** Of the dump that is being written. */
  #abort = new AbortController();
  #failedMs = Number.NEGATIVE_INFINITY;
  #handedOverMs = Number.NEGATIVE_INFINITY;
  #isStopped = false;

  constructor(host: CompactionHost, thresholds: CompactionThresholds, dumpIndex: number) {
    this.#host = host;
    this.#thresholds = thresholds;
    this.#lastMs = host.clock.monotonicMs();
    this.#lastIndex = dumpIndex;
    this.#startIndex = host.state.applyingTo;
  }

  /** Looks from time to time as well: what was not possible when the last entry was applied may be now. */
  start(): void {
    this.#timer = this.#host.clock.every(nodeLimits.compactionLookMs, () => this.consider());
  }

  /** Starts a dump where the log has grown long or old enough. */
  consider(): void {
    const { clock, storage, notes } = this.#host;
    const isOld = clock.monotonicMs() - this.#lastMs > this.#thresholds.minTimeMs;
    const isDue = this.#isLong() || isOld || storage.needsDump;
    if (storage.needsDump) notes.degrade("dump-damaged", damagedText);
    if (this.#isStarting() || this.#hasJustFailed() || this.#isWaitedFor()) return;
    if (!isDue || this.#running !== null || !this.#isPossible()) return;
    // What was applied while the dump was written may be due already, and nothing more may follow.
    this.now().then(
      () => this.consider(),
      (error: unknown) => this.#failed(error),
    );
  }

  /** Writes a dump of the present state; one at a time. Rejects where there cannot be one now. */
  now(): Promise<void> {
    this.#running ??= this.#write().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  /**
   * A leader's dump has replaced the store, or committed entries had to go: the dump that is being
   * written tells of a history that is no longer ours, and must never be put in place or be sent.
   *
   * @param dumpIndex Where the dump on disk ends now; null where it is the same as before.
   */
  storeReplaced(dumpIndex: number | null): void {
    this.#abort.abort();
    if (dumpIndex !== null) this.#lastIndex = dumpIndex;
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#isStopped = true;
    this.#abort.abort();
    await this.#running?.catch(() => undefined);
  }

  /**
   * Longer than it should be, and not because so much has come since the last dump: under load each
   * member would write several dumps and journals a second, and sync them between its batches.
   */
  #isLong(): boolean {
    const { state, clock, storage } = this.#host;
    const { minEntries } = this.#thresholds;
    const heaviness = this.#heaviness();
    const isManyEntries = state.log.length > minEntries;
    if (!isManyEntries && heaviness <= 1) return false;
    const restMs = minEntries * nodeLimits.dumpRestMsPerEntry;
    return (
      clock.monotonicMs() - this.#lastMs >= restMs ||
      state.log.length > minEntries * nodeLimits.restLogFactor ||
      (isManyEntries && storage.journalBytes > nodeLimits.restJournalBytesMax) ||
      heaviness > nodeLimits.heavyLogRestFactor
    );
  }

  /**
   * How many times the bytes of a log that is due to be compacted the applied entries take: each of them
   * may be as large as `max_entry_bytes`, and all of them are in memory.
   */
  #heaviness(): number {
    return this.#appliedBytes() / this.#dueBytes();
  }

  #appliedBytes(): number {
    const { log } = this.#host.state;
    const { appliedIndex } = this.#host.applier;
    return appliedIndex === null ? 0 : log.bytesOf(log.firstIndex, appliedIndex);
  }

  #dueBytes(): number {
    const { applier, state } = this.#host;
    const due = heavyLogBytes(applier.store.bytes, { compaction: this.#thresholds });
    // A vanilla leader may have made the data more than the bound of the log is for.
    return Math.min(due, state.logBytesMax / nodeLimits.heavyLogCatchUpFactor);
  }

  /**
   * A dump of the first of what is still to be applied would be followed by the next at once, and have all of a long
   * journal copied, at a time when whoever started the member waits for it.
   */
  #isStarting(): boolean {
    const { appliedIndex, heldBack } = this.#host.applier;
    // What is committed goes back where it has to go.
    const until = Math.min(this.#startIndex, this.#host.state.applyingTo);
    return appliedIndex !== null && appliedIndex < until && heldBack === null;
  }

  /**
   * A follower that takes a dump needs what comes after it: were that gone when the dump has arrived,
   * it would need the next dump, and under load never catch up.
   */
  #isWaitedFor(): boolean {
    const { state } = this.#host;
    const entriesMax = this.#thresholds.minEntries * nodeLimits.catchUpLogFactor;
    if (!state.isLeader || state.log.length > entriesMax) return false;
    const bytesMax = Math.min(
      this.#dueBytes() * nodeLimits.heavyLogCatchUpFactor,
      state.logBytesMax * nodeLimits.catchUpLogShare,
    );
    if (this.#appliedBytes() > bytesMax) return false;
    return [...state.progress].some(([peer, progress]) => this.#catchesUp(peer, progress));
  }

  /** It takes a dump, or is asked how far it is; a member also where it is still far behind. */
  #catchesUp(peer: string, { mode, matchIndex }: Progress): boolean {
    const { state, applier } = this.#host;
    const isMember = state.connected.has(peer);
    if (mode !== "replicate") return isMember || state.observers.has(peer);
    const lackedBytes = state.log.bytesOf(matchIndex + 1, applier.appliedIndex ?? 0);
    // So much may be on its way to one that keeps up.
    return isMember && lackedBytes > raftLimits.inFlightBytesMax + state.entryBytesMax;
  }

  #hasJustFailed(): boolean {
    const { clock, state } = this.#host;
    // Each attempt on a full disk takes the room that the journal needs, until it fails.
    const restMs = isLogFull(state) ? nodeLimits.fullLogRetryMs : nodeLimits.dumpRetryMs;
    return clock.monotonicMs() - this.#failedMs < restMs;
  }

  /** New since the last dump, durable, and with no change of membership on its way. */
  #isPossible(): boolean {
    const { state, applier } = this.#host;
    const index = applier.appliedIndex;
    // The next dump would take the last one's place before the journal is cut behind it: on a slow disk under load
    // that would go on and on, and the journal grow without end.
    if (state.compactSeq > state.durableSeq) return false;
    // It would have to pass over all keys that are still to be taken out.
    if (applier.store.isSweeping) return false;
    if (index === null || index < this.#lastIndex) return false;
    if (index === this.#lastIndex && !this.#host.storage.needsDump) return false;
    if (index > state.durableIndex || !state.diskUsable) return false;
    if (!state.log.holds(index) || !state.log.holds(index - 1)) return false;
    return state.log
      .slice(index + 1, state.log.lastIndex)
      .every((entry) => entry.command[0] !== commandType.membership);
  }

  async #write(): Promise<void> {
    const { state, applier, storage, logger, clock } = this.#host;
    const index = applier.appliedIndex;
    // Also for a follower that waits for it: the members in the dump must not be ahead of its index.
    if (index === null || this.#isStopped || !this.#isPossible()) {
      throw new Error(`no dump can be written at ${index} yet`);
    }
    const abort = new AbortController();
    this.#abort = abort;
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
        abort.signal,
      );
    } finally {
      snapshot.end();
    }
    this.#lastMs = clock.monotonicMs();
    this.#lastIndex = index;
    for (const code of ["dump-failed", "dump-damaged"] as const) this.#host.notes.clear(code);
    const tookMs = Math.round(this.#lastMs - startedMs);
    logger.info("dump written", { index, keys: snapshot.size, took_ms: tookMs });
    this.#host.dumpWritten(index - 1);
  }

  #failed(error: unknown): void {
    if (this.#abort.signal.aborted) return;
    this.#failedMs = this.#host.clock.monotonicMs();
    const text = `the dump could not be written, the journal keeps growing: ${String(error)}`;
    this.#host.notes.say({ level: "error", code: "dump-failed", text });
    this.#host.notes.degrade("dump-failed", text);
    this.#giveLeadAway();
  }

  /** The others' logs may be short: they can write what this member would have to refuse from now on. */
  #giveLeadAway(): void {
    const { state, clock, logger, handOver } = this.#host;
    const nowMs = clock.monotonicMs();
    if (!state.isLeader || !isLogFull(state)) return;
    if (nowMs - this.#handedOverMs < nodeLimits.fullLogHandOverMs) return;
    this.#handedOverMs = nowMs;
    logger.warn("the log is full and no dump can be written: another member is asked to lead");
    handOver();
  }
}
