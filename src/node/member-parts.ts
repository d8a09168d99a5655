import type { Logger } from "../logger.js";
import { logFullText } from "../raft/log-bound.js";
import { refusedCode } from "../raft/too-large.js";
import type { Recovered, Storage } from "../storage/storage.js";
import { Applier } from "./applier.js";
import { Chores } from "./chores.js";
import { Compaction } from "./compaction.js";
import type { Config } from "./config-types.js";
import { type HeldBack, heldBackCode, heldBackText } from "./data-bound.js";
import type { Discovered, DiscoveryHost } from "./discovery.js";
import type { Environment, MemberNetwork } from "./environment.js";
import { Expiry } from "./expiry.js";
import { KvWriter } from "./kv-writer.js";
import { nodeLimits } from "./limits.js";
import { memberNetwork } from "./member-network.js";
import { Notes } from "./notes.js";
import { type ProposalHost, Proposals } from "./proposals.js";
import { Rediscovery } from "./rediscovery.js";
import { memberList, type ReportSources, wireStatus } from "./reports.js";
import { Runtime, type RuntimeParts } from "./runtime.js";
import { SnapshotInbox } from "./snapshot-inbox.js";
import { SnapshotSender } from "./snapshot-sender.js";
import { initialState, raftConfig } from "./start-state.js";
import { UtilityService } from "./utility-service.js";

/** What a start has opened and learnt before there is a member. */
export interface FoundAtStart {
  readonly environment: Environment;
  readonly storage: Storage;
  readonly recovered: Recovered;
  readonly discovered: Discovered | null;
}

/**
 * A running member's parts, each made with what it needs of the others. They know each other in a
 * circle, so what one asks of another it asks through a function, when all are there.
 */
export class MemberParts {
  readonly config: Config;
  readonly logger: Logger;
  readonly environment: Environment;
  readonly storage: Storage;
  readonly notes: Notes;
  readonly runtime: Runtime;
  readonly network: MemberNetwork;
  readonly proposals: Proposals;
  readonly applier: Applier;
  readonly compaction: Compaction;
  readonly expiry: Expiry;
  readonly rediscovery: Rediscovery;
  readonly inbox: SnapshotInbox;
  readonly sender: SnapshotSender;
  /** Writes through this member: where it follows they travel to the leader. */
  readonly writer: KvWriter;
  readonly #utility: UtilityService;
  readonly #chores: Chores;
  readonly #startedMs: number;
  readonly #failed: (error: Error) => void;
  readonly #transfers = new Map<number, (begun: boolean) => void>();
  #transferId = 0;

  /** @param failed The member cannot go on. May be called more than once, never before this returns. */
  constructor(config: Config, logger: Logger, found: FoundAtStart, failed: (error: Error) => void) {
    this.config = config;
    this.#failed = failed;
    this.logger = logger;
    const { environment } = found;
    const { clock } = environment;
    this.environment = environment;
    this.#startedMs = clock.monotonicMs();
    this.#chores = new Chores(clock);
    this.storage = found.storage;
    this.notes = new Notes(logger, () => clock.monotonicMs());
    const { recovered } = found;
    void this.storage.failed.then(failed);
    if (recovered.lossText !== null) this.notes.degrade("files-damaged", recovered.lossText);
    this.network = memberNetwork(config, logger, environment, {
      notes: this.notes,
      runtime: () => this.runtime,
      proposals: () => this.proposals,
      utility: () => this.#utility,
      inbox: () => this.inbox,
    });
    this.proposals = new Proposals(this.#proposalHost());
    this.applier = this.#makeApplier(recovered);
    this.sender = this.#makeSender();
    this.inbox = new SnapshotInbox(
      {
        clock,
        keysPerSlice: environment.keysPerSlice,
        limits: {
          dataBytesMax: Math.floor(config.dataBytesMax * nodeLimits.takenShare),
          entryBytesMax: config.entryBytesMax,
        },
        receiveDump: (limits) => this.storage.receiveDump(limits),
        discardDump: (dump) => this.storage.discardDump(dump),
        unusable: (from, error) =>
          this.notes.say({
            level: "error",
            code: "dump-unusable",
            text: `the dump from ${from} cannot be used: ${String(error)}`,
          }),
        refused: (from, term, fixed) => {
          const bytesMax = Math.floor(config.dataBytesMax * nodeLimits.takenShare);
          this.runtime.submit({ kind: "snapshot-refused", from, term, bytesMax, fixed });
        },
        setHeld: (from, isHeld) => this.network.setHeld(from, isHeld),
        received: (from, term, dump) => {
          const { previous, last, members } = dump.dump;
          const summary = { previous, last, members };
          this.runtime.submit({ kind: "snapshot-received", from, term, summary });
        },
      },
      logger,
    );
    this.runtime = new Runtime(
      raftConfig(config, environment),
      initialState(config, found.discovered, recovered),
      () => this.#runtimeParts(),
      clock,
    );
    this.compaction = this.#makeCompaction(recovered.dump?.last.index ?? 1);
    this.expiry = new Expiry({
      clock: this.#chores.clock,
      proposals: this.proposals,
      store: () => this.applier.store,
      state: () => this.runtime.state,
      say: (note) => this.notes.say(note),
    });
    this.rediscovery = new Rediscovery({
      ...this.discoveryHost(),
      clock: this.#chores.clock,
      selfAddr: config.selfAddr,
      partnerAddrs: config.partnerAddrs,
      state: () => this.runtime.state,
      found: (members) => this.runtime.submit({ kind: "told-members", members }),
    });
    this.#utility = this.#makeUtility();
    this.writer = this.#makeWriter();
  }

  /** Hands leadership over: to the best follower where `target` is null. */
  transfer(target: string | null, done: (begun: boolean) => void): void {
    // Proposals count up from 1, transfers down from -1: one core answers both.
    this.#transferId -= 1;
    this.#transfers.set(this.#transferId, done);
    this.runtime.submit({ kind: "transfer", target, id: this.#transferId });
  }

  /** Asks other members who the members are. */
  discoveryHost(): DiscoveryHost {
    const { environment, network, logger } = this;
    return { clock: environment.clock, ask: network.ask.bind(network), logger };
  }

  /** What reports are made from. */
  sources(): ReportSources {
    return {
      state: this.runtime.state,
      network: this.network,
      notes: this.notes,
      uptimeMs: this.environment.clock.monotonicMs() - this.#startedMs,
      wallSec: this.environment.clock.wallSec(),
      codeVersion: this.applier.codeVersion,
      dataBytes: this.applier.store.bytes,
      dataBytesMax: this.config.dataBytesMax,
      heldBack: this.applier.heldBack,
    };
  }

  #proposalHost(): ProposalHost {
    const parts = this;
    return {
      clock: this.environment.clock,
      get state() {
        return parts.runtime.state;
      },
      store: () => this.applier.store,
      appliedIndex: () => this.applier.appliedIndex ?? this.runtime.state.applyingTo,
      propose: (proposals) => this.runtime.submit({ kind: "propose", proposals }),
      sendCommand: (to, command, requestId) => {
        if (!this.network.isConnected(to)) return false;
        this.runtime.send(to, { type: "apply_command", command, requestId });
        return true;
      },
      fail: (to, requestId, error) =>
        this.runtime.send(to, { type: "apply_command_response", requestId, error }),
      dataBytesMax: this.config.dataBytesMax,
      full: (text) => this.notes.say({ level: "error", code: "data-full", text }),
      logFull: () => this.#logFull(),
      refused: (reason, from) =>
        this.notes.say({
          level: "warn",
          code: "refused-command",
          text: `a command from ${from} was refused: it would stop every PySyncObj member: ${reason}`,
        }),
    };
  }

  /** What is wrong with the dump is known where the last one has failed. */
  #logFull(): string {
    const failed = this.notes.degraded().find(({ code }) => code === "dump-failed");
    const full = logFullText(this.runtime.state);
    const text = failed === undefined ? full : `${full}: ${failed.message}`;
    this.notes.say({ level: "error", code: refusedCode("log"), text });
    return text;
  }

  #makeApplier(recovered: Recovered): Applier {
    return new Applier(
      {
        clock: this.environment.clock,
        keysPerSlice: this.environment.keysPerSlice,
        proposals: this.proposals,
        notes: this.notes,
        applied: (index) => {
          this.runtime.submit({ kind: "applied", index });
          this.compaction.consider();
        },
        replaced: (dumpIndex) => this.compaction.storeReplaced(dumpIndex),
        heldBack: (held) => this.#heldBack(held),
        // A leader's dump that was installed a moment ago may wait for the disk still.
        readDump: () => this.runtime.durable().then(() => this.storage.readDump()),
        failed: this.#failed,
      },
      recovered.dump,
      this.config.dataBytesMax,
      recovered.entries.at(-1)?.index,
    );
  }

  #heldBack(held: HeldBack | null): void {
    this.runtime.submit({ kind: "held-back", isHeldBack: held !== null });
    if (held === null) {
      this.logger.info("what is committed is applied again");
      return;
    }
    const text = heldBackText(held);
    this.notes.say({ level: "error", code: heldBackCode, text });
    this.proposals.heldBack();
  }

  #makeSender(): SnapshotSender {
    return new SnapshotSender(
      {
        clock: this.environment.clock,
        openDump: () => this.storage.openDump(),
        makeDump: () => this.compaction.now(),
        logRange: () => {
          const { firstIndex, lastIndex } = this.runtime.state.log;
          return { first: firstIndex, last: lastIndex };
        },
        leadership: () => this.runtime.state,
        isObserver: (id) => this.runtime.state.observers.has(id),
        send: (to, message) => this.runtime.send(to, message),
        buffered: (to) => this.network.buffered(to),
        held: (to) => this.runtime.dumpBytesHeld(to),
        sent: (to, lastIndex) => this.runtime.submit({ kind: "snapshot-sent", to, lastIndex }),
        notSent: (to) => this.runtime.submit({ kind: "snapshot-not-sent", to }),
      },
      this.notes,
    );
  }

  #makeCompaction(dumpIndex: number): Compaction {
    return new Compaction(
      {
        state: this.runtime.state,
        applier: this.applier,
        storage: this.storage,
        notes: this.notes,
        clock: this.#chores.clock,
        logger: this.logger,
        dumpWritten: (previousIndex) =>
          this.runtime.submit({ kind: "dump-written", previousIndex }),
        handOver: () => this.transfer(null, () => {}),
      },
      this.config.compaction,
      dumpIndex,
    );
  }

  #makeUtility(): UtilityService {
    return new UtilityService({
      selfAddr: this.config.selfAddr,
      proposals: this.proposals,
      status: () => wireStatus(this.sources()),
      members: () => memberList(this.sources()),
      transfer: (target, done) => this.transfer(target, done),
    });
  }

  #makeWriter(): KvWriter {
    const proposals = this.proposals;
    return new KvWriter(
      {
        store: () => this.applier.store,
        pending: proposals.pending,
        submit: (command, done, deadlineMs) => proposals.submit(command, done, deadlineMs),
        clock: this.environment.clock,
      },
      nodeLimits.writeTimeoutMs,
    );
  }

  #runtimeParts(): RuntimeParts {
    const proposals = this.proposals;
    const transfers = this.#transfers;
    return {
      storage: this.storage,
      network: this.network,
      applier: this.applier,
      propose: () => proposals.flush(),
      answered: (id, outcome) => {
        const done = transfers.get(id);
        if (done === undefined) proposals.answered(id, outcome);
        else {
          transfers.delete(id);
          done(outcome.appended);
        }
      },
      snapshotSender: this.sender,
      snapshotInbox: this.inbox,
      notes: this.notes,
      clock: this.environment.clock,
      logger: this.logger,
      conflict: ({ entries, leader }, paths) => {
        const range = `${entries[0]?.index}…${entries.at(-1)?.index}`;
        const demand = `leader ${leader} makes us drop committed entries, among ${range}`;
        const text = `${demand}: ${conflictOutcome(paths)}`;
        this.notes.degrade("committed-entries-conflict", text);
        if (paths !== null) this.logger.error(text);
      },
      awake: (nowMs) => {
        this.#chores.awake(nowMs);
        this.expiry.awake(nowMs);
      },
      leadershipChanged: ({ role, leader, term }) => {
        this.notes.tell("role", "role", { role, leader, term });
        this.proposals.pending.leaderChanged();
      },
      failed: this.#failed,
    };
  }
}

function conflictOutcome(paths: readonly string[] | null): string {
  if (paths === null) return "not kept yet, and nothing goes before they are";
  return (
    `kept in ${paths.join(", ")}. Another member has lost data: what the leader has takes their place as it comes, ` +
    "and until then this member holds them still. See what they hold (`quorate inspect FILE --entries`), and write again what is missing; this is said until " +
    "the next start"
  );
}
