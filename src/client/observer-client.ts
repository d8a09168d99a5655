import type { Entry } from "../../protocol/log/entry.js";
import { commandBytesMax } from "../../protocol/wire/limits.js";
import type { PeerMessage, SnapshotChunk } from "../../protocol/wire/messages.js";
import { systemClock } from "../clock.js";
import { type Logger, silentLogger } from "../logger.js";
import { Network } from "../net/network.js";
import type { DeleteOptions, SetOptions, WriteOptions } from "../node/kv-writer.js";
import { KvWriter } from "../node/kv-writer.js";
import { nodeLimits } from "../node/limits.js";
import { PendingWrites } from "../node/pending-writes.js";
import { quorateVersion } from "../node/version.js";
import {
  answerOf,
  notSent,
  type OutcomeCallback,
  type WriteOutcome,
} from "../node/write-outcome.js";
import { type KvEntryJson, keyToText, toJson } from "../store/json-view.js";
import { type ApplyOutcome, Store } from "../store/store.js";
import { checkConnectOptions, checkTimeout } from "./connect-options.js";
import { DumpInbox } from "./dump-inbox.js";
import { LeaderSearch } from "./leader-search.js";
import { clientLimits } from "./limits.js";
import { LogApplier } from "./log-applier.js";
import { LogFollower } from "./log-follower.js";
import { Membership } from "./membership.js";
import { closed, NotReadyError, notReady } from "./not-ready.js";
import type {
  ConnectOptions,
  ObserverOptions,
  ObserverSnapshot,
  ObserverStatus,
} from "./observer-types.js";
import { type Watch, Watches } from "./watch.js";

export { NotReadyError };

/**
 * An observer of a cluster, of PySyncObj's members or Quorate's: it has its own copy of the data,
 * which follows the leader's log, and sends its writes to the leader. It has no vote.
 *
 * Reads are of the own copy, as Patroni's are: they may be behind the leader by what is on its way.
 * The client holds the process open until it is closed.
 */
export class ObserverClient {
  readonly #logger: Logger;
  readonly #network: Network;
  readonly #follower: LogFollower;
  readonly #applier: LogApplier;
  readonly #inbox: DumpInbox;
  readonly #pending: PendingWrites;
  readonly #writer: KvWriter;
  readonly #watches = new Watches();
  readonly #inFlightMax: number;
  readonly #closing = new AbortController();
  readonly #membership: Membership;
  #store = new Store();
  /** The store of a new start, until it has what the leader has committed. */
  #next: Store | null = null;
  readonly #search: LeaderSearch;
  /** Pieces of a dump, one after the other. */
  #dumpWork: Promise<void> = Promise.resolve();
  #dumps = 0;
  #startsOver = 0;
  #readyWaiters: (() => void)[] = [];
  /** Nothing more is read from this leader, until less waits to be applied. */
  #heldLeader: string | null = null;

  /**
   * Connects to a cluster, given some of its members.
   *
   * @returns a client whose own copy is up to date.
   * @throws {@link NotReadyError} where there is no leader in time, or its data did not come in time.
   * @throws {@link ConfigError} where an address or a time cannot be used.
   */
  static async connect(options: ConnectOptions): Promise<ObserverClient> {
    checkConnectOptions(options);
    const { signal, connectTimeoutMs } = options;
    signal?.throwIfAborted();
    const client = new ObserverClient(options);
    const end = (): void => void client.close();
    signal?.addEventListener("abort", end);
    try {
      await client.#begin();
      await client.ready(connectTimeoutMs);
      signal?.throwIfAborted();
      return client;
    } catch (error) {
      await client.close();
      throw signal?.aborted === true ? signal.reason : error;
    } finally {
      signal?.removeEventListener("abort", end);
    }
  }

  private constructor(options: ObserverOptions) {
    const { addresses, password = null, logger = silentLogger, timeoutMs } = options;
    this.#logger = logger;
    this.#inFlightMax = Math.min(
      options.writesInFlightMax ?? clientLimits.writesInFlightMax,
      clientLimits.writesInFlightMax,
    );
    this.#network = this.#makeNetwork(password, options.maxEntryBytes);
    this.#inbox = new DumpInbox(options.maxDataBytes);
    const { signal } = this.#closing;
    this.#membership = new Membership(
      {
        ask: (address, request, askMs) => this.#network.ask(address, request, askMs, signal),
        logger,
        setPeers: (members) => {
          if (!signal.aborted) this.#network.setPeers(members);
        },
      },
      addresses,
    );
    this.#follower = new LogFollower({
      answer: (to, message) => void this.#network.send(to, message),
      apply: (entry) => this.#applier.add(entry),
      leaderChanged: (leader) => {
        logger.debug("leader", { leader });
        this.#letGo();
        this.#inbox.drop();
        this.#pending.leaderChanged();
      },
      snapshotChunk: (from, chunk) => this.#takeDumpPiece(from, chunk),
      startedOver: (reason) => this.#startOver(reason),
      warn: (message) => logger.warn(message),
    });
    this.#applier = new LogApplier({
      store: () => this.#next ?? this.#store,
      applied: (entry, outcome) => this.#applied(entry, outcome),
      worked: () => this.#settle(),
      setHeld: (isHeld) => (isHeld ? this.#hold() : this.#letGo()),
    });
    this.#search = new LeaderSearch({
      follower: this.#follower,
      membership: this.#membership,
      logger,
      closeLink: (address, reason) => this.#network.closeLink(address, reason),
    });
    this.#pending = new PendingWrites(() => this.#applier.appliedIndex);
    const host = {
      store: () => this.#store,
      pending: this.#pending,
      submit: (command: Uint8Array, done: OutcomeCallback, deadlineMs: number) =>
        this.#submit(command, done, deadlineMs),
      clock: systemClock,
    };
    this.#writer = new KvWriter(host, timeoutMs ?? nodeLimits.writeTimeoutMs);
  }

  /**
   * Waits until the own copy has all that the leader had committed.
   *
   * @param timeoutMs How long to wait, in milliseconds.
   * @throws {@link NotReadyError} where it takes longer, or the client is closed.
   */
  async ready(timeoutMs: number = clientLimits.connectTimeoutMs): Promise<void> {
    checkTimeout("timeoutMs", timeoutMs);
    if (this.#closing.signal.aborted) throw closed();
    if (this.#isReady()) return;
    await this.#becomesReady(timeoutMs);
  }

  #becomesReady(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle(notReady(this.status(), timeoutMs)), timeoutMs);
      const settle = (error: Error | null): void => {
        clearTimeout(timer);
        this.#readyWaiters = this.#readyWaiters.filter((waiter) => waiter !== onReady);
        if (error === null) resolve();
        else reject(error);
      };
      const onReady = (): void => settle(this.#closing.signal.aborted ? closed() : null);
      this.#readyWaiters.push(onReady);
    });
  }

  /** The entry of a key in the own copy, null where there is none. */
  get(key: string): KvEntryJson | null {
    const value = this.#store.get(key);
    return value === null ? null : toJson(value);
  }

  /** The entries of the own copy whose keys begin with `prefix`, in order of their keys. */
  list(prefix = ""): readonly (readonly [key: string, entry: KvEntryJson])[] {
    const found = Array.from(
      this.#store.entries(prefix),
      ([key, value]) => [keyToText(key), toJson(value)] as const,
    );
    return found.sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0));
  }

  /**
   * The own copy as of now, all of one log index, to be read later and piece by piece while the
   * client follows on. It costs memory for what changes before it is read. To be ended always.
   */
  snapshot(): ObserverSnapshot {
    const { records, size, end } = this.#store.beginSnapshot();
    const { leader, term, appliedIndex, members } = this.status();
    return { leader, term, appliedIndex, members, records, size, end };
  }

  /**
   * Changes of the keys that begin with `prefix`, from now on: each once and in the order of the
   * log, also across lost links and changes of the leader. Where the client was away for longer
   * than the leader keeps its log, what differs afterwards is told, marked `afterGap`.
   */
  watch(prefix = ""): Watch {
    const watch = this.#watches.open(prefix);
    if (this.#closing.signal.aborted) watch.end(null);
    return watch;
  }

  /**
   * Sets a key, with Patroni's conditions and an optional time to live.
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
    return this.#writer.set(key, value, options);
  }

  /**
   * Deletes a key, or with `recursive` all keys that begin with it.
   *
   * @returns `false` where the key does not exist or the conditions did not hold; a
   * {@link WriteFailure} where the write is not known to be done.
   */
  delete(key: string, options?: DeleteOptions): Promise<WriteOutcome<boolean>> {
    return this.#writer.delete(key, options);
  }

  /**
   * Submits any command, made with the encoders of `quorate/protocol`. One that would stop
   * PySyncObj's members is refused with `REQUEST_DENIED`.
   */
  submit(command: Uint8Array, options?: WriteOptions): Promise<WriteOutcome> {
    return this.#writer.submit(command, options);
  }

  /** How the client is, at this moment. */
  status(): ObserverStatus {
    const links = this.#network.links().filter(({ connected }) => connected);
    return {
      leader: this.#follower.leader,
      term: this.#follower.term,
      appliedIndex: this.#applier.appliedIndex,
      members: this.#membership.addresses,
      connected: links.map(({ id }) => id).sort(),
      writesInFlight: this.#pending.size,
      dumps: this.#dumps,
      startsOver: this.#startsOver,
    };
  }

  /** Writes under way end with CLOSED, watches end. Idempotent. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    for (const waiter of this.#readyWaiters) waiter();
    this.#search.stop();
    this.#applier.stop();
    this.#writer.close();
    this.#watches.end(null);
    await this.#network.close();
    await this.#dumpWork;
  }

  #makeNetwork(password: string | null, entryBytesMax: number | undefined): Network {
    const { connectionRetryMs, dnsCacheMs, dnsFailCacheMs, leaderSilentMs } = clientLimits;
    return new Network({
      selfAddr: null,
      bindAddr: null,
      password,
      ...(entryBytesMax === undefined ? {} : { entryBytesMax }),
      timeouts: {
        connectionTimeoutMs: leaderSilentMs,
        connectionRetryMs,
        dnsCacheMs,
        dnsFailCacheMs,
      },
      logger: this.#logger,
      softwareVersion: quorateVersion,
      events: {
        peerConnected: () => {},
        peerDisconnected: (address) => this.#follower.lost(address),
        peerHello: () => {},
        observerConnected: () => {},
        observerDisconnected: () => {},
        message: (from, message) => this.#take(from, message),
        utility: () => {},
        drained: () => {},
      },
    });
  }

  async #begin(): Promise<void> {
    await this.#membership.learn();
    await this.#network.listen();
    this.#search.start();
  }

  #take(from: string, message: PeerMessage): void {
    switch (message.type) {
      case "append_entries":
      case "append_chunk":
      case "install_snapshot":
        this.#follower.take(from, message);
        if (from === this.#follower.leader) this.#search.heard();
        this.#applier.work();
        this.#settle();
        break;
      case "apply_command_response":
        // Others know the numbers of requests as well.
        if (from !== this.#follower.leader) break;
        this.#pending.replied(message.requestId, answerOf(message));
        break;
      default:
        // Votes and the like are for members.
        break;
    }
  }

  /** What waits until the own copy is up to date. */
  #settle(): void {
    // As long as it is not read from the leader is not silent.
    if (this.#heldLeader !== null) this.#search.heard();
    if (!this.#isCaughtUp) return;
    if (this.#next !== null) {
      const before = this.#store;
      this.#store = this.#next;
      this.#next = null;
      this.#watches.replaced(before, this.#store, this.#applier.appliedIndex);
    }
    this.#membership.settle();
    for (const waiter of [...this.#readyWaiters]) waiter();
  }

  get #isCaughtUp(): boolean {
    return this.#follower.isCaughtUp && this.#applier.isIdle;
  }

  *#applied(entry: Entry, outcome: ApplyOutcome): Generator<void, void> {
    this.#membership.apply(entry);
    if ("raised" in outcome) {
      this.#logger.warn(`entry ${entry.index} stops PySyncObj's members: ${outcome.raised}`);
      this.#pending.applied(entry, { result: null });
      return;
    }
    if (this.#next === null) yield* this.#watches.changed(outcome, this.#store, entry.index);
    this.#pending.applied(entry, outcome);
  }

  #hold(): void {
    const { leader } = this.#follower;
    if (leader === this.#heldLeader) return;
    this.#letGo();
    this.#heldLeader = leader;
    if (leader !== null) this.#network.setHeld(leader, true);
  }

  #letGo(): void {
    if (this.#heldLeader !== null) this.#network.setHeld(this.#heldLeader, false);
    this.#heldLeader = null;
  }

  #submit(command: Uint8Array, done: OutcomeCallback, deadlineMs: number): void {
    const { leader } = this.#follower;
    if (leader === null) {
      done(notSent("MISSING_LEADER"));
    } else if (this.#isFull(command.length)) {
      done(notSent("QUEUE_FULL"));
    } else {
      const requestId = this.#pending.nextId();
      if (this.#network.send(leader, { type: "apply_command", command, requestId })) {
        this.#pending.ask(requestId, { command, deadlineMs, done });
      } else done(notSent("MISSING_LEADER"));
    }
  }

  /** A single command passes whatever its size, up to the limit of one message. */
  #isFull(bytes: number): boolean {
    const { size } = this.#pending;
    const bytesMax = Math.max(clientLimits.writeBytesInFlightMax, commandBytesMax);
    return size >= this.#inFlightMax || (size > 0 && this.#pending.bytes + bytes > bytesMax);
  }

  #takeDumpPiece(from: string, chunk: SnapshotChunk): void {
    this.#dumpWork = this.#dumpWork
      .then(() => (this.#closing.signal.aborted ? null : this.#inbox.take(chunk)))
      .then((read) => {
        if (read === null || this.#closing.signal.aborted) return;
        const { dump, store } = read;
        if (!this.#follower.dumpRead(from, dump)) return;
        this.#dumps += 1;
        this.#membership.replace(dump.members);
        this.#putInPlace(store, dump.last.index);
      })
      .catch((error: unknown) => {
        this.#logger.warn(`the dump from ${from} cannot be used: ${String(error)}`);
        this.#follower.dumpFailed();
      });
  }

  #putInPlace(store: Store, index: number): void {
    this.#applier.restart(index);
    if (this.#next === null) {
      const before = this.#store;
      this.#store = store;
      this.#watches.replaced(before, store, index);
    } else this.#next = store;
    this.#pending.appliedByDump(index);
    this.#settle();
  }

  #startOver(reason: string): void {
    this.#startsOver += 1;
    this.#logger.warn(`starting over: ${reason}`);
    this.#next = new Store();
    this.#applier.restart(1);
  }

  #isReady(): boolean {
    return this.#follower.leader !== null && this.#isCaughtUp && this.#next === null;
  }
}
