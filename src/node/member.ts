import type { Logger } from "../logger.js";
import type { Network } from "../net/network.js";
import { type Recovered, Storage } from "../storage/storage.js";

import { Applier } from "./applier.js";
import { systemClock } from "./clock.js";
import { Compaction } from "./compaction.js";
import type { Config } from "./config-types.js";
import { type Discovered, join } from "./discovery.js";
import { Expiry } from "./expiry.js";
import { nodeLimits } from "./limits.js";
import { memberNetwork } from "./member-network.js";
import type { KvReport, MemberHandle, StatusReport, StopReason } from "./member-types.js";
import { Notes } from "./notes.js";
import { type ProposalHost, Proposals } from "./proposals.js";
import { kvReport, memberList, type ReportSources, statusReport, wireStatus } from "./reports.js";
import { Runtime, type RuntimeParts } from "./runtime.js";
import { SnapshotInbox } from "./snapshot-inbox.js";
import { SnapshotSender } from "./snapshot-sender.js";
import { findCluster, initialState, mayHaveVoted, raftConfig } from "./start-state.js";
import { UtilityService } from "./utility-service.js";

/** One voting member of a raft cluster: what `quorate run` runs. */
export class Member implements MemberHandle {
  readonly stopped: Promise<StopReason>;
  readonly #config: Config;
  readonly #logger: Logger;
  readonly #storage: Storage;
  readonly #notes: Notes;
  readonly #startedMs = systemClock.monotonicMs();
  readonly #joining = new AbortController();
  readonly #transfers = new Map<number, (begun: boolean) => void>();
  readonly #runtime: Runtime;
  readonly #network: Network;
  readonly #proposals: Proposals;
  readonly #applier: Applier;
  readonly #compaction: Compaction;
  readonly #expiry: Expiry;
  readonly #inbox: SnapshotInbox;
  readonly #sender: SnapshotSender;
  readonly #utility: UtilityService;
  #resolveStopped: (reason: StopReason) => void = () => {};
  #stopping: Promise<void> | null = null;
  #transferId = 0;

  /**
   * Opens the files, finds the cluster and takes part in it.
   *
   * @throws StorageError where the files cannot be used, Error where the port cannot be bound.
   */
  static async start(config: Config, logger: Logger): Promise<Member> {
    for (const warning of config.warnings) logger.warn(warning);
    const { dataDir, selfAddr } = config;
    const { storage, recovered: found } = await Storage.open({ dataDir, selfAddr, logger });
    let member: Member | null = null;
    try {
      const discovered = await findCluster(config, logger);
      const mustRefetch = found.mustRefetch || mayHaveVoted(found, discovered);
      if (mustRefetch) await storage.write([{ kind: "must-refetch", missing: true }]);
      const recovered = { ...found, mustRefetch };
      member = new Member(config, logger, { storage, recovered, discovered });
      await member.#begin(discovered);
      return member;
    } catch (error) {
      if (member === null) await storage.close();
      else member.#fail(error instanceof Error ? error : new Error(String(error)));
      await member?.stopped;
      throw error;
    }
  }

  private constructor(
    config: Config,
    logger: Logger,
    found: { storage: Storage; recovered: Recovered; discovered: Discovered | null },
  ) {
    this.#config = config;
    this.#logger = logger;
    this.#storage = found.storage;
    this.#notes = new Notes(logger, () => systemClock.monotonicMs());
    this.stopped = new Promise((resolve) => {
      this.#resolveStopped = resolve;
    });
    const { recovered } = found;
    for (const { kind, message } of recovered.findings) {
      if (kind === "lost") this.#notes.degrade("files-damaged", message);
    }
    this.#network = memberNetwork(config, logger, {
      runtime: () => this.#runtime,
      proposals: () => this.#proposals,
      utility: () => this.#utility,
    });
    this.#proposals = new Proposals(this.#proposalHost());
    this.#applier = this.#makeApplier(recovered);
    this.#sender = this.#makeSender();
    this.#inbox = new SnapshotInbox(
      {
        receiveDump: () => this.#storage.receiveDump(),
        discardDump: (dump) => this.#storage.discardDump(dump),
        received: (from, term, dump) => {
          const { previous, last, members } = dump.dump;
          const summary = { previous, last, members };
          this.#runtime.submit({ kind: "snapshot-received", from, term, summary });
        },
      },
      logger,
    );
    this.#runtime = new Runtime(
      raftConfig(config),
      initialState(config, found.discovered, recovered),
      () => this.#runtimeParts(),
      systemClock,
    );
    this.#compaction = this.#makeCompaction(recovered.dump?.last.index ?? 1);
    this.#expiry = new Expiry({
      clock: systemClock,
      proposals: this.#proposals,
      store: () => this.#applier.store,
      leadsTerm: () => (this.#runtime.state.isLeader ? this.#runtime.state.term : null),
    });
    this.#utility = this.#makeUtility();
  }

  status(): StatusReport {
    return statusReport(this.#sources());
  }

  kv(prefix: string): KvReport {
    return kvReport(this.#applier.store, this.#runtime.state.lastApplied, prefix);
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop({ kind: "stopped" });
    return this.#stopping;
  }

  async #begin(discovered: Discovered | null): Promise<void> {
    this.#runtime.start();
    this.#network.setPeers([...this.#runtime.state.members]);
    await this.#network.listen();
    this.#expiry.start();
    this.#compaction.start();
    const { state } = this.#runtime;
    this.#logger.info("started", {
      self: state.selfId,
      term: state.term,
      last_index: state.log.lastIndex,
      commit_index: state.commitIndex,
      members: [state.selfId, ...state.members].join(","),
    });
    const self = this.#config.selfAddr;
    if (discovered === null || discovered.members.some(({ address }) => address === self)) return;
    this.#logger.info(`asking to be added to the cluster of ${discovered.from}`);
    const known = discovered.members.map(({ address }) => address);
    void join(this.#discoveryHost(), self, known, this.#joining.signal);
  }

  async #stop(reason: StopReason): Promise<void> {
    this.#joining.abort();
    this.#expiry.stop();
    try {
      if (reason.kind === "stopped") {
        await this.#handOver();
        await Promise.race([this.#runtime.settle(), pause(nodeLimits.settleMsMax)]);
      }
      this.#runtime.stop();
      this.#sender.cancelAll();
      await this.#compaction.stop();
      await this.#network.close();
      await this.#inbox.close();
      await this.#storage.close();
    } catch (error) {
      this.#logger.error(`while stopping: ${String(error)}`);
    }
    this.#resolveStopped(reason);
  }

  #fail(error: Error): void {
    this.#stopping ??= this.#stop({ kind: "failed", error });
  }

  /** A leader that leaves asks the best follower to take over, so that nobody has to notice first. */
  async #handOver(): Promise<void> {
    const { state } = this.#runtime;
    if (!state.isLeader || state.members.size === 0) return;
    const begun = await new Promise<boolean>((resolve) => this.#transfer(null, resolve));
    if (!begun) return;
    const deadlineMs = systemClock.monotonicMs() + nodeLimits.handOverMsMax;
    while (state.isLeader && systemClock.monotonicMs() < deadlineMs) {
      await pause(10);
    }
  }

  #transfer(target: string | null, done: (begun: boolean) => void): void {
    // Proposals count up from 1, transfers down from -1: one core answers both.
    this.#transferId -= 1;
    this.#transfers.set(this.#transferId, done);
    this.#runtime.submit({ kind: "transfer", target, id: this.#transferId });
  }

  #proposalHost(): ProposalHost {
    const member = this;
    return {
      get state() {
        return member.#runtime.state;
      },
      store: () => this.#applier.store,
      propose: (proposals) => this.#runtime.submit({ kind: "propose", proposals }),
      sendCommand: (to, command, requestId) => {
        if (!this.#network.isConnected(to)) return false;
        this.#runtime.send(to, { type: "apply_command", command, requestId });
        return true;
      },
      deny: (to, requestId) =>
        this.#runtime.send(to, { type: "apply_command_response", requestId, error: 6 }),
      refused: (reason, from) =>
        this.#notes.say({
          level: "warn",
          code: "refused-command",
          text: `a command from ${from} was refused: it would stop every PySyncObj member: ${reason}`,
        }),
    };
  }

  #makeApplier(recovered: Recovered): Applier {
    return new Applier(
      {
        proposals: this.#proposals,
        notes: this.#notes,
        applied: (index) => {
          this.#runtime.submit({ kind: "applied", index });
          this.#compaction.consider();
        },
        replaced: (dumpIndex) => this.#compaction.storeReplaced(dumpIndex),
        readDump: () => this.#storage.readDump(),
        failed: (error) => this.#fail(error),
      },
      recovered.dump,
    );
  }

  #makeSender(): SnapshotSender {
    return new SnapshotSender(
      {
        openDump: () => this.#storage.openDump(),
        makeDump: () => this.#compaction.now(),
        logRange: () => {
          const { firstIndex, lastIndex } = this.#runtime.state.log;
          return { first: firstIndex, last: lastIndex };
        },
        leadership: () => this.#runtime.state,
        send: (to, message) => this.#runtime.send(to, message),
        buffered: (to) => this.#network.buffered(to),
        sent: (to, lastIndex) => this.#runtime.submit({ kind: "snapshot-sent", to, lastIndex }),
        notSent: (to) => this.#runtime.submit({ kind: "snapshot-not-sent", to }),
      },
      this.#logger,
    );
  }

  #makeCompaction(dumpIndex: number): Compaction {
    return new Compaction(
      {
        state: this.#runtime.state,
        applier: this.#applier,
        storage: this.#storage,
        notes: this.#notes,
        clock: systemClock,
        logger: this.#logger,
        dumpWritten: (previousIndex) =>
          this.#runtime.submit({ kind: "dump-written", previousIndex }),
      },
      this.#config.compaction,
      dumpIndex,
    );
  }

  #makeUtility(): UtilityService {
    return new UtilityService({
      selfAddr: this.#config.selfAddr,
      proposals: this.#proposals,
      status: () => wireStatus(this.#sources()),
      members: () => memberList(this.#sources()),
      transfer: (target, done) => this.#transfer(target, done),
    });
  }

  #runtimeParts(): RuntimeParts {
    const proposals = this.#proposals;
    const transfers = this.#transfers;
    return {
      storage: this.#storage,
      network: this.#network,
      applier: this.#applier,
      answered: (id, outcome) => {
        const done = transfers.get(id);
        if (done === undefined) proposals.answered(id, outcome);
        else {
          transfers.delete(id);
          done(outcome.appended);
        }
      },
      snapshotSender: this.#sender,
      snapshotInbox: this.#inbox,
      notes: this.#notes,
      clock: systemClock,
      logger: this.#logger,
      conflict: ({ entries, leader }, path) => {
        const range = `${entries[0]?.index}…${entries.at(-1)?.index}`;
        const text = `leader ${leader} made us drop committed entries ${range}: kept in ${path}`;
        this.#notes.degrade("committed-entries-conflict", text);
        this.#logger.error(text);
      },
      leadershipChanged: ({ role, leader, term }) => {
        this.#logger.info("role", { role, leader, term });
        this.#proposals.leaderChanged();
      },
      failed: (error) => this.#fail(error),
    };
  }

  #sources(): ReportSources {
    return {
      state: this.#runtime.state,
      network: this.#network,
      notes: this.#notes,
      uptimeMs: systemClock.monotonicMs() - this.#startedMs,
      codeVersion: this.#applier.codeVersion,
    };
  }

  #discoveryHost() {
    return {
      ask: this.#network.ask.bind(this.#network),
      logger: this.#logger,
    };
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
