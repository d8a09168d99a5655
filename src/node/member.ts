import { pause } from "../clock.js";
import type { Logger } from "../logger.js";
import type { RaftState } from "../raft/state.js";
import { Storage } from "../storage/storage.js";
import type { Applier } from "./applier.js";
import type { Config } from "./config-types.js";
import { fullText } from "./data-quota.js";
import { type Discovered, join } from "./discovery.js";
import { type Environment, systemEnvironment } from "./environment.js";
import type { KvWriter } from "./kv-writer.js";
import { nodeLimits } from "./limits.js";
import { type FoundAtStart, MemberParts } from "./member-parts.js";
import type { KvReport, MemberHandle, StatusReport, StopReason } from "./member-types.js";
import { kvReport, statusReport } from "./reports.js";
import { findCluster, mayHaveVoted } from "./start-state.js";
import { untilThereIsRoom } from "./wait-for-room.js";
import type { OutcomeCallback } from "./write-outcome.js";

/** One voting member of a raft cluster: what `quorate run` runs. */
export class Member implements MemberHandle {
  readonly stopped: Promise<StopReason>;
  readonly #parts: MemberParts;
  readonly #joining = new AbortController();
  #resolveStopped: (reason: StopReason) => void = () => {};
  #stopping: Promise<void> | null = null;

  /**
   * Opens the files, finds the cluster and takes part in it.
   *
   * @param signal Ends a start that waits for room on a full disk.
   * @throws StorageError where the files cannot be used, Error where the port cannot be bound.
   */
  static async start(
    config: Config,
    logger: Logger,
    environment: Environment = systemEnvironment,
    signal?: AbortSignal,
  ): Promise<Member> {
    for (const warning of config.warnings) logger.warn(warning);
    const { dataDir, selfAddr } = config;
    const room = { logger, clock: environment.clock, signal };
    const open = () => Storage.open({ dataDir, selfAddr, logger, ...environment });
    const { storage, recovered: found } = await untilThereIsRoom(open, room);
    let member: Member | null = null;
    try {
      const discovered = await findCluster(config, logger, environment);
      const cameBack = mayHaveVoted(config, found, discovered);
      const recovered = cameBack ? { ...found, mustRefetch: true, forgotTerm: true } : found;
      const flag = [{ kind: "must-refetch", missing: true, forgotTerm: true }] as const;
      if (cameBack) await untilThereIsRoom(() => storage.write(flag), room);
      member = new Member(config, logger, { environment, storage, recovered, discovered });
      await member.#begin(discovered);
      return member;
    } catch (error) {
      if (member === null) await storage.close();
      else member.#fail(error instanceof Error ? error : new Error(String(error)));
      await member?.stopped;
      throw error;
    }
  }

  private constructor(config: Config, logger: Logger, found: FoundAtStart) {
    this.stopped = new Promise((resolve) => {
      this.#resolveStopped = resolve;
    });
    this.#parts = new MemberParts(config, logger, found, (error) => this.#fail(error));
  }

  /** Writes through this member: where it follows they travel to the leader. */
  get writer(): KvWriter {
    return this.#parts.writer;
  }

  /** The core's state: what a simulator looks at after each step. Never to be changed from outside. */
  get raft(): RaftState {
    return this.#parts.runtime.state;
  }

  /** The store and how far it is, likewise. */
  get applied(): Pick<Applier, "store" | "appliedIndex"> {
    return this.#parts.applier;
  }

  /** Proposes a command as a client of this member. `done` is called once, unless the member ends. */
  submit(command: Uint8Array, done: OutcomeCallback): void {
    this.#parts.proposals.submit(command, done);
  }

  status(): StatusReport {
    return statusReport(this.#parts.sources());
  }

  kv(prefix: string): KvReport {
    const { applier, runtime } = this.#parts;
    const { store, appliedIndex } = applier;
    return kvReport(store, appliedIndex ?? runtime.state.lastApplied, prefix);
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop({ kind: "stopped" });
    return this.#stopping;
  }

  async #begin(discovered: Discovered | null): Promise<void> {
    const { runtime, network, expiry, rediscovery, compaction, applier, logger, config } =
      this.#parts;
    runtime.start();
    network.setPeers([...runtime.state.members, ...runtime.state.guests]);
    await network.listen();
    expiry.start();
    rediscovery.start();
    compaction.start();
    const { state } = runtime;
    const { bytes } = applier.store;
    if (bytes > config.dataBytesMax) {
      logger.warn(fullText(bytes, config.dataBytesMax), { code: "data-full" });
    }
    logger.info("started", {
      self: state.selfId,
      term: state.term,
      last_index: state.log.lastIndex,
      commit_index: state.commitIndex,
      members: [state.selfId, ...state.members].join(","),
    });
    if (state.mustRefetch && state.members.size === 0) {
      logger.error(
        "acknowledged state may be missing, and there is no other member to take it from: this one " +
          "does not lead. Stop it, put the right files back in the data directory (a backup, or " +
          "those named *.damaged-* where they are whole after all), and start it again. Where there " +
          "are none, and this member is its whole cluster, let it go on with what is left: " +
          `quorate repair ${config.dataDir}/${config.selfAddr} --alone --config FILE, with FILE its configuration`,
      );
    }
    const self = config.selfAddr;
    if (discovered === null || discovered.members.some(({ address }) => address === self)) return;
    logger.info(`asking to be added to the cluster of ${discovered.from}`);
    const known = discovered.members.map(({ address }) => address);
    void join(this.#parts.discoveryHost(), self, known, this.#joining.signal);
  }

  async #stop(reason: StopReason): Promise<void> {
    const { runtime, environment, logger, ...parts } = this.#parts;
    this.#joining.abort();
    parts.expiry.stop();
    parts.rediscovery.stop();
    try {
      if (reason.kind === "stopped") {
        await this.#handOver();
        await Promise.race([runtime.settle(), pause(environment.clock, nodeLimits.settleMsMax)]);
      }
      runtime.stop();
      parts.sender.cancelAll();
      await parts.compaction.stop();
      await parts.network.close();
      parts.writer.close();
      await parts.inbox.close();
      await parts.storage.close();
    } catch (error) {
      logger.error(`while stopping: ${String(error)}`);
    }
    this.#resolveStopped(reason);
  }

  #fail(error: Error): void {
    this.#stopping ??= this.#stop({ kind: "failed", error });
  }

  /** A leader that leaves asks the best follower to take over, so that nobody has to notice first. */
  async #handOver(): Promise<void> {
    const { runtime, environment } = this.#parts;
    const { state } = runtime;
    if (!state.isLeader || state.members.size === 0) return;
    const begun = await new Promise<boolean>((resolve) => this.#parts.transfer(null, resolve));
    if (!begun) return;
    const { clock } = environment;
    const deadlineMs = clock.monotonicMs() + nodeLimits.handOverMsMax;
    while (state.isLeader && clock.monotonicMs() < deadlineMs) {
      await pause(clock, 10);
    }
  }
}
