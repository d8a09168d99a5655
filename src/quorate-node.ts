import { NotReadyError } from "./client/observer-client.js";
import { startHttpServer } from "./http/server.js";
import { silentLogger } from "./logger.js";
import type { HostPort } from "./node/config-types.js";
import type { DeleteOptions, SetOptions, WriteOptions } from "./node/kv-writer.js";
import { Member } from "./node/member.js";
import { refetchingCode, type StatusReport, type StopReason } from "./node/member-types.js";
import { configOfOptions, type NodeOptions, type PatroniFileOptions } from "./node/node-options.js";
import type { WriteOutcome } from "./node/write-outcome.js";
import { type KvEntryJson, keyToText, toJson } from "./store/json-view.js";

/** How often {@link QuorateNode.ready} looks. */
const readyLookMs = 20;
const readyMsDefault = 10_000;

/**
 * A voting member of a raft cluster, run inside this program: what `quorate run` runs. The other
 * members may be Quorate's, or PySyncObj's such as `patroni_raft_controller`.
 *
 * It reads its own applied state, and writes through the cluster's leader. To watch changes, connect
 * an {@link ObserverClient} to its address. The member holds the process open until it is stopped;
 * it installs no signal handlers, so a program that is told to end calls {@link QuorateNode.stop}.
 */
export class QuorateNode {
  readonly #member: Member;
  readonly #http: Awaited<ReturnType<typeof startHttpServer>> | null;
  readonly #stopped: Promise<StopReason>;

  /**
   * Opens the files, listens, finds the cluster and takes part in it. A data directory with journal,
   * meta and dump of PySyncObj is taken over as it is. Where the disk is full, it waits for room.
   *
   * @returns the running member; it may have no leader yet, see {@link QuorateNode.ready}.
   * @throws {@link ConfigError} where a setting cannot be used.
   * @throws {@link StorageError} where the files cannot be used: damaged, locked, no permission.
   * @throws Error with `code` `EADDRINUSE` and the like, where a port cannot be bound.
   */
  static async start(options: NodeOptions | PatroniFileOptions): Promise<QuorateNode> {
    const config = configOfOptions(options);
    const logger = options.logger ?? silentLogger;
    const member = await Member.start(config, logger, undefined, options.signal);
    if (config.http === null) return new QuorateNode(member, null);
    try {
      return new QuorateNode(member, await startHttpServer(member, config.http, logger));
    } catch (error) {
      await member.stop();
      throw error;
    }
  }

  private constructor(member: Member, http: Awaited<ReturnType<typeof startHttpServer>> | null) {
    this.#member = member;
    this.#http = http;
    this.#stopped = member.stopped.then(async (reason) => {
      await http?.close();
      return reason;
    });
  }

  /**
   * Resolves once the member runs no more: after {@link QuorateNode.stop}, or with the error that
   * ended it (a failed disk, for example). Never rejects.
   */
  get stopped(): Promise<StopReason> {
    return this.#stopped;
  }

  /** Where its HTTP server listens, with the port that was chosen for 0; null where it is off. */
  get http(): HostPort | null {
    return this.#http?.address ?? null;
  }

  /**
   * Waits until there is a leader, and the own state holds all that this member knows to be
   * committed.
   *
   * @param timeoutMs How long to wait, in milliseconds.
   * @throws {@link NotReadyError} where it takes longer, or the member ends meanwhile.
   */
  async ready(timeoutMs: number = readyMsDefault): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs;
    let ended = false;
    void this.#stopped.then(() => {
      ended = true;
    });
    for (;;) {
      const { leader, commitIndex, appliedIndex, degraded } = this.status();
      const isBehind = appliedIndex < commitIndex || isRefetching(degraded);
      if (ended) throw new NotReadyError("the member runs no more");
      if (leader !== null && commitIndex > 0 && !isBehind) return;
      if (performance.now() >= deadlineMs) {
        const what = leader === null ? "no leader is known" : `applied only up to ${appliedIndex}`;
        const why = degraded.map(({ message }) => `; ${message}`).join("");
        throw new NotReadyError(`not ready after ${timeoutMs} ms: ${what}${why}`);
      }
      await new Promise((resolve) => setTimeout(resolve, readyLookMs));
    }
  }

  /**
   * The entry of a key in the own applied state, which may be behind the leader's; null where there
   * is none.
   *
   * @throws {@link NotReadyError} while acknowledged data may be missing here (see `degraded` in
   * {@link QuorateNode.status}).
   */
  get(key: string): KvEntryJson | null {
    this.#assertWhole();
    const value = this.#member.applied.store.get(key);
    return value === null ? null : toJson(value);
  }

  /**
   * The entries whose keys begin with `prefix`, in order of their keys, all of one moment. It reads
   * all at once: a million keys hold the event loop for seconds.
   *
   * @throws {@link NotReadyError} as `get` does.
   */
  list(prefix = ""): readonly (readonly [key: string, entry: KvEntryJson])[] {
    this.#assertWhole();
    const found: (readonly [key: string, entry: KvEntryJson])[] = [];
    for (const [key, value] of this.#member.applied.store.entries()) {
      const text = keyToText(key);
      if (text.startsWith(prefix)) found.push([text, toJson(value)]);
    }
    return found.sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0));
  }

  /**
   * Sets a key, with Patroni's conditions and an optional time to live. Where this member follows,
   * the write travels to the leader.
   *
   * @returns the entry as stored, or `false` where the conditions did not hold; a
   * {@link WriteFailure} where the write is not known to be done.
   * @throws RangeError where `ttl` is not a positive number of seconds.
   */
  set(
    key: string,
    value: string,
    options?: SetOptions,
  ): Promise<WriteOutcome<KvEntryJson | false>> {
    return this.#member.writer.set(key, value, options);
  }

  /**
   * Deletes a key, or with `recursive` all keys that begin with it.
   *
   * @returns `false` where the key does not exist or the conditions did not hold; a
   * {@link WriteFailure} where the write is not known to be done.
   */
  delete(key: string, options?: DeleteOptions): Promise<WriteOutcome<boolean>> {
    return this.#member.writer.delete(key, options);
  }

  /**
   * Submits any command, made with the encoders of `quorate/protocol`. One that would stop
   * PySyncObj's members is refused with `REQUEST_DENIED`.
   */
  submit(command: Uint8Array, options?: WriteOptions): Promise<WriteOutcome> {
    return this.#member.writer.submit(command, options);
  }

  /** How the member is, at this moment. */
  status(): StatusReport {
    return this.#member.status();
  }

  /**
   * Hands leadership over where it leads, waits for its last writes (5 s at most), closes all links
   * and leaves its files as PySyncObj can take them over. Writes under way end with `CLOSED`.
   * Idempotent.
   */
  async stop(): Promise<void> {
    await this.#member.stop();
    await this.#stopped;
  }

  #assertWhole(): void {
    const reason = this.status().degraded.find(({ code }) => code === refetchingCode);
    if (reason !== undefined) throw new NotReadyError(reason.message);
  }
}

function isRefetching(degraded: StatusReport["degraded"]): boolean {
  return degraded.some(({ code }) => code === refetchingCode);
}
