import type { Entry } from "../../protocol/log/entry.js";
import type { Logger } from "../../src/logger.js";
import { dataBytesLeast } from "../../src/node/config-limits.js";
import type { Config } from "../../src/node/config-types.js";
import type { Environment } from "../../src/node/environment.js";
import { Member } from "../../src/node/member.js";
import type { StopReason } from "../../src/node/member-types.js";
import { raftLimits } from "../../src/raft/limits.js";
import type { GuardName } from "../../src/raft/types.js";
import { StorageError } from "../../src/storage/storage-error.js";
import type { Chance } from "./chance.js";
import type { Bounds } from "./checkers/bounds.js";
import type { MemberView } from "./checkers/checker.js";
import { promptCompression } from "./compression.js";
import { DurableFiles } from "./durable-files.js";
import { Endpoint } from "./endpoint.js";
import { Life, Machine } from "./machine.js";
import { SimDisk } from "./sim-disk.js";
import type { SimNetwork } from "./sim-network.js";
import type { AnySeat, Standing } from "./standing.js";
import { Violation } from "./violation.js";

export interface SeatHost {
  readonly network: SimNetwork;
  readonly chance: Chance;
  readonly guardsOff: ReadonlySet<GuardName>;
  readonly partners: readonly string[];
  readonly compactionEntries: number;
  readonly compactionMs: number;
  /** Keys in one slice of a recursive delete, where that is not to be more than there are. */
  readonly keysPerSlice?: number | undefined;
  /** What a member holds, where that is to be less than usual. */
  readonly bounds?: Bounds | undefined;
  /** A process of this seat runs: look at it when it has come to rest. */
  touched(seat: Seat): void;
  say(who: string, what: string): void;
  fail(error: unknown): void;
}

/** A machine with a Quorate member on it: the real one, in a simulated world. */
export class Seat implements AnySeat {
  readonly address: string;
  readonly machine: Machine;
  readonly disk: SimDisk;
  readonly durable: DurableFiles;
  /** Null while no process runs. */
  life: Life | null = null;
  member: Member | null = null;
  lives = 0;
  /** What its next process will hold, where that is little. */
  bounds: Bounds | undefined;
  readonly #host: SeatHost;
  #endpoint: Endpoint | null = null;

  constructor(address: string, host: SeatHost) {
    this.address = address;
    this.#host = host;
    this.bounds = host.bounds;
    const { timeline } = host.network;
    this.machine = new Machine(timeline, () => host.touched(this));
    this.disk = new SimDisk(timeline, host.chance.fork());
    this.durable = new DurableFiles(this.disk, address);
  }

  /** Null while there is nothing to look at. */
  view(): MemberView | null {
    const { member, address, durable, bounds } = this;
    if (member === null || this.life === null) return null;
    const { store, appliedIndex } = member.applied;
    return { address, life: this.lives, raft: member.raft, store, appliedIndex, durable, bounds };
  }

  standing(): Standing | null {
    const { member, address } = this;
    if (member === null || this.life === null) return null;
    const { raft, applied } = member;
    return {
      address,
      kind: "quorate",
      role: raft.role,
      leads: raft.isLeader && raft.inquest === null,
      term: raft.term,
      firstIndex: raft.log.firstIndex,
      lastIndex: raft.log.lastIndex,
      commitIndex: raft.commitIndex,
      appliedIndex: applied.appliedIndex,
      store: applied.store,
      others: [...raft.members],
      mustRefetch: raft.mustRefetch,
      entryAt: (index) => (raft.log.holds(index) ? raft.log.at(index) : undefined),
    };
  }

  holds(index: number, term: number): boolean {
    const { first } = this.durable.journal();
    const log = this.member?.raft.log;
    if (log === undefined) return index < first || this.durable.termAt(index) === term;
    return index < log.firstIndex || log.termAt(index) === term;
  }

  lastEntry(): Entry | null {
    const log = this.member?.raft.log;
    return log === undefined ? null : log.at(log.lastIndex);
  }

  submit(command: Uint8Array, done: (error: number) => void): void {
    const { member, life } = this;
    if (member !== null) life?.enter(() => member.submit(command, ({ error }) => done(error)));
  }

  start(): void {
    if (this.life !== null) return;
    const life = new Life(this.machine);
    this.life = life;
    this.lives += 1;
    this.#host.network.powered.add(this.address);
    this.#host.say(this.address, "process starts");
    life.enter(() => {
      Member.start(this.#config(), this.#logger(), this.#environment(life)).then(
        (member) => this.#started(life, member),
        (error: unknown) => this.#ended(life, { kind: "failed", error: asError(error) }),
      );
    });
  }

  /** SIGKILL. The machine goes on, and so does the system's cache of its files. */
  kill(): void {
    this.#leave(true);
    this.disk.endLife();
  }

  losePower(): void {
    this.#leave(false);
    this.#host.network.powered.delete(this.address);
    this.disk.losePower();
  }

  /** SIGTERM: the process ends by itself. */
  stop(): void {
    const { member, life } = this;
    if (member === null) this.kill();
    else life?.enter(() => void member.stop());
  }

  /** It may hold more than anybody has, and its process has to be started again for that. */
  raiseBounds(): void {
    if (this.bounds === undefined) return;
    this.kill();
    this.bounds = undefined;
    this.#host.say(this.address, "may hold more");
  }

  loseLink(peer: string): void {
    this.#endpoint?.loseLink(peer);
  }

  /** Asks the member what an administrator's command would. */
  admin(request: Parameters<Endpoint["utility"]>[0], reply: (value: unknown) => void): void {
    const endpoint = this.#endpoint;
    if (endpoint === null || this.member === null) return;
    this.life?.enter(() => endpoint.utility(request, reply));
  }

  #leave(tellsOthers: boolean): void {
    if (this.life !== null) this.life.isOver = true;
    this.life = null;
    this.member = null;
    this.#endpoint?.vanish(tellsOthers);
    this.#endpoint = null;
    this.machine.resume();
  }

  #started(life: Life, member: Member): void {
    if (life.isOver) return;
    this.member = member;
    void member.stopped.then((reason) => this.#ended(life, reason));
  }

  /** The process has ended by itself. */
  #ended(life: Life, reason: StopReason): void {
    if (life.isOver) return;
    const isExpected = reason.kind === "stopped" || this.#isDiskFault(reason.error);
    if (!isExpected) this.#host.fail(new Violation("no-broken-invariant", describe(this, reason)));
    this.#host.say(
      this.address,
      `process ends: ${reason.kind === "stopped" ? "" : reason.error.message}`,
    );
    this.kill();
  }

  /** The disk has failed it, and it says so; nothing else may end a member. */
  #isDiskFault(error: Error): boolean {
    if (!(error instanceof StorageError)) return causeIsStorage(error) && this.disk.hasFailed;
    if (error.code === "no-space") return true;
    return error.code === "io" && this.disk.hasFailed;
  }

  #config(): Config {
    return {
      selfAddr: this.address,
      bindAddr: null,
      partnerAddrs: this.#host.partners.filter((partner) => partner !== this.address),
      dataDir: "/data",
      password: null,
      timeouts: {
        electionTimeoutMinMs: 400,
        electionTimeoutMaxMs: 1_400,
        heartbeatPeriodMs: 100,
        connectionTimeoutMs: 3_500,
        connectionRetryMs: 5_000,
        leaderFallbackMs: 30_000,
        dnsCacheMs: 0,
        dnsFailCacheMs: 0,
        discoveryMs: 900,
      },
      compaction: {
        minEntries: this.#host.compactionEntries,
        minTimeMs: this.#host.compactionMs,
      },
      onConflict: "keep",
      entryBytesMax: raftLimits.entryBytesMax,
      dataBytesMax: this.bounds?.dataBytesMax ?? dataBytesLeast,
      http: null,
      log: { level: "debug", format: "text" },
      warnings: [],
    };
  }

  #environment(life: Life): Environment {
    const { network, chance, guardsOff, keysPerSlice } = this.#host;
    const { bounds } = this;
    return {
      clock: life.clock,
      random: chance.fork().next,
      fileSystem: this.disk.mount(life),
      compression: promptCompression,
      guardsOff,
      ...(keysPerSlice === undefined ? {} : { keysPerSlice }),
      ...(bounds === undefined ? {} : { logBytesMax: bounds.logBytesMax }),
      network: ({ events, timeouts }) => {
        const endpoint = new Endpoint(network, {
          address: this.address,
          life,
          events,
          isQuorate: true,
          connectionTimeoutMs: timeouts.connectionTimeoutMs,
          retryMs: timeouts.connectionRetryMs,
        });
        this.#endpoint = endpoint;
        return endpoint;
      },
      askUtility: (address, request, { timeoutMs }) =>
        network.ask({ address: this.address, life }, { address, request, timeoutMs }),
    };
  }

  #logger(): Logger {
    const say = (level: string) => (message: string) =>
      this.#host.say(this.address, `${level}: ${message}`);
    return { error: say("error"), warn: say("warn"), info: say("info"), debug: say("debug") };
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function causeIsStorage(error: Error): boolean {
  return error.cause instanceof StorageError;
}

function describe(seat: Seat, reason: StopReason): string {
  const why = reason.kind === "stopped" ? "" : (reason.error.stack ?? reason.error.message);
  return `${seat.address} ended itself: ${why}`;
}
