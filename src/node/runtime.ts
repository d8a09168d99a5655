import type { Clock, Timer } from "../clock.js";
import type { Logger } from "../logger.js";
import { RaftCore } from "../raft/core.js";
import type { RaftState } from "../raft/state.js";
import type {
  Effect,
  InitialState,
  Input,
  PeerStatus,
  ProposalOutcome,
  RaftConfig,
} from "../raft/types.js";
import type { Storage, StorageWrite } from "../storage/storage.js";
import type { Applier } from "./applier.js";
import { type DiskTrouble, DiskWriter } from "./disk-writer.js";
import type { MemberNetwork } from "./environment.js";
import { nodeLimits } from "./limits.js";
import type { Notes } from "./notes.js";
import { Outbox } from "./outbox.js";
import { askPeerStatus } from "./peer-status.js";
import type { SnapshotInbox } from "./snapshot-inbox.js";
import type { SnapshotSender } from "./snapshot-sender.js";
import { StatusQuestions } from "./status-questions.js";

/** The effects that change files. */
type WriteEffect = Extract<
  Effect,
  {
    kind:
      | "append"
      | "truncate"
      | "meta"
      | "compact"
      | "install"
      | "must-refetch"
      | "second-term"
      | "conflict";
  }
>;

/** What carries the effects out. The parts know the runtime, so it gets them after it is made. */
export interface RuntimeParts {
  readonly storage: Storage;
  readonly network: MemberNetwork;
  readonly applier: Applier;
  /** Gives in what has been gathered of proposals. */
  propose(): void;
  /** Of a proposal or a transfer of our own. */
  answered(id: number, outcome: ProposalOutcome): void;
  readonly snapshotSender: SnapshotSender;
  readonly snapshotInbox: SnapshotInbox;
  readonly notes: Notes;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Committed entries have to go; they are kept in these files beside, null: not yet. */
  conflict(effect: Effect & { kind: "conflict" }, paths: readonly string[] | null): void;
  leadershipChanged(effect: Effect & { kind: "leadership" }): void;
  /**
   * Something was done, and the member is awake: what is to be done from time to time can be done now. Comes at
   * least every `sleepMsMax`.
   */
  awake(nowMs: number): void;
  /** The member cannot go on. */
  failed(error: Error): void;
}

/**
 * Carries the core's effects out in the one safe order. Inputs are taken one after the other; what
 * a turn's effects cause in their turn is queued behind.
 */
export class Runtime {
  readonly #core: RaftCore;
  readonly #selfId: string;
  readonly #parts: RuntimeParts;
  readonly #outbox: Outbox;
  readonly #disk: DiskWriter;
  readonly #questions = new StatusQuestions<PeerStatus>(
    (peer) => this.#statusOf(peer),
    (peer, question, status) => this.submit({ kind: "peer-status", peer, question, status }),
  );
  readonly #inputs: Input[] = [];
  #draining = false;
  #timer: Timer | null = null;
  #timerDueMs = Number.POSITIVE_INFINITY;
  #stopped = false;
  #turnEndIsDue = false;
  /** The reason for which health is degraded, while the disk takes no writes. */
  #diskCode: DiskTrouble["code"] | null = null;

  constructor(
    config: RaftConfig,
    initial: InitialState,
    makeParts: (runtime: Runtime) => RuntimeParts,
    clock: Clock,
  ) {
    this.#selfId = config.selfId;
    this.#core = new RaftCore(config, initial, clock.monotonicMs());
    this.#parts = makeParts(this);
    const { storage, logger, network, notes } = this.#parts;
    this.#outbox = new Outbox({
      sendMany: (to, message) => {
        network.sendMany(to, message);
        if (message.type === "append_entries") for (const id of to) network.noteAwaitingAnswer(id);
      },
      holdBack: (receiver, bytes) => network.holdBack(receiver, bytes),
      cutOff: (receiver) => {
        const text = "too much waits for the disk: link cut";
        notes.tell("link-cut-for-disk", text, { receiver }, "warn");
        network.closeLink(receiver, "too much waits for the disk");
      },
    });
    const events = {
      durable: (seq: number) => {
        this.#outbox.durable(seq);
        this.submit({ kind: "durable", seq });
      },
      trouble: (trouble: DiskTrouble | null) => this.#diskTrouble(trouble),
      failed: (error: Error) => this.#parts.failed(error),
    };
    this.#disk = new DiskWriter(storage, events, logger, clock);
  }

  get state(): RaftState {
    return this.#core.state;
  }

  /** Replays what is known to be committed and starts the clock. */
  start(): void {
    this.#performAll(this.#core.begin());
    this.#drain();
  }

  submit(input: Input): void {
    if (this.#stopped) return;
    this.#inputs.push(input);
    this.#drain();
  }

  send(to: string, message: Parameters<Outbox["send"]>[1]): void {
    this.#outbox.send([to], message, 0);
  }

  /** Bytes of a dump that wait for the receiver because something before them waits for the disk. */
  dumpBytesHeld(to: string): number {
    return this.#outbox.dumpBytesHeld(to);
  }

  linkLost(peer: string): void {
    this.#outbox.forget(peer);
  }

  /** Resolves when all writes asked for are durable. */
  settle(): Promise<void> {
    return this.#disk.settle();
  }

  /** No input is taken any more, no message leaves. */
  stop(): void {
    this.#stopped = true;
    this.#disk.stop();
    this.#timer?.cancel();
    this.#timer = null;
  }

  #drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    try {
      for (;;) {
        const input = this.#inputs.shift();
        if (input === undefined) break;
        this.#performAll(this.#core.step(input, this.#parts.clock.monotonicMs()));
      }
    } catch (error) {
      // A broken invariant of our own: going on could only make it worse.
      this.#inputs.length = 0;
      this.#parts.failed(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#draining = false;
    }
    this.#disk.kick();
    if (this.#core.state.owesCommit && !this.#turnEndIsDue) this.#awaitTurnEnd();
    if (this.#stopped) return;
    const nowMs = this.#parts.clock.monotonicMs();
    this.#arm(nowMs);
    this.#parts.awake(nowMs);
  }

  /** What followers and observers are told then goes with the entries of this turn's proposals. */
  #awaitTurnEnd(): void {
    this.#turnEndIsDue = true;
    this.#parts.clock.soon(() => {
      this.#turnEndIsDue = false;
      this.#parts.propose();
      if (this.#core.state.owesCommit) this.submit({ kind: "turn-ended" });
    });
  }

  /** Until all that has been given to the disk is on it. */
  durable(): Promise<void> {
    return new Promise((resolve) => this.#outbox.defer(this.#core.state.seq, resolve));
  }

  #performAll(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (this.#stopped) return;
      this.#perform(effect);
    }
  }

  #perform(effect: Effect): void {
    const { applier, snapshotSender, snapshotInbox, storage } = this.#parts;
    switch (effect.kind) {
      case "append":
      case "truncate":
      case "meta":
      case "compact":
      case "install":
      case "must-refetch":
      case "second-term":
      case "conflict":
        this.#write(effect);
        break;
      case "send":
        this.#outbox.send(effect.to, effect.message, effect.after);
        break;
      case "answer":
        this.#outbox.defer(effect.after, () => this.#parts.answered(effect.id, effect.outcome));
        break;
      case "apply":
        applier.apply(effect.entries);
        break;
      case "rebuild":
        applier.rebuild(effect.entries);
        break;
      case "save-commit":
        this.#outbox.defer(effect.after, () => storage.saveCommitIndex(effect.index));
        break;
      case "ask-status":
        this.#questions.ask(effect.peer, effect.question);
        break;
      case "send-snapshot":
        snapshotSender.start(effect.to);
        break;
      case "cancel-snapshot":
        snapshotSender.cancel(effect.to);
        break;
      case "snapshot-chunk":
        snapshotInbox.take(effect.from, effect.term, effect.chunk);
        break;
      case "discard-snapshot":
        snapshotInbox.discard();
        break;
      default:
        this.#tell(effect);
    }
  }

  #tell(effect: Effect): void {
    const { network, notes } = this.#parts;
    switch (effect.kind) {
      case "members":
        network.setPeers([...effect.members, ...effect.guests]);
        notes.tell("members", "members", { others: effect.members.join(",") });
        break;
      case "leadership":
        this.#parts.leadershipChanged(effect);
        break;
      case "halt":
        this.#parts.failed(new Error(`halted: ${effect.reason}`));
        break;
      case "note":
        notes.say(effect.note);
        break;
      default:
        throw new Error(`no way to carry out ${effect.kind}`);
    }
  }

  #write(effect: WriteEffect): void {
    const op = this.#operation(effect);
    this.#disk.push(op, effect.seq);
  }

  #operation(effect: WriteEffect): StorageWrite {
    switch (effect.kind) {
      case "append":
      case "truncate":
      case "meta":
      case "compact":
      case "second-term":
        return effect;
      case "must-refetch":
        if (!effect.missing) this.#parts.notes.clear("files-damaged");
        return effect;
      case "install": {
        const { received, store } = this.#parts.snapshotInbox.takeOffered();
        this.#parts.applier.install(received.dump, store);
        return { kind: "install", dump: received, keep: effect.keep };
      }
      case "conflict": {
        this.#parts.conflict(effect, null);
        const kept = (paths: readonly string[]) => this.#parts.conflict(effect, paths);
        return { kind: "keep-conflict", entries: effect.entries, withDump: effect.withDump, kept };
      }
    }
  }

  async #statusOf(peer: string): Promise<PeerStatus | null> {
    try {
      return await askPeerStatus(this.#parts.network, this.#selfId, peer);
    } catch (error) {
      this.#parts.logger.debug(`no status from ${peer}: ${String(error)}`);
      return null;
    }
  }

  #diskTrouble(trouble: DiskTrouble | null): void {
    const { notes, logger } = this.#parts;
    if (this.#diskCode !== null) notes.clear(this.#diskCode);
    this.#diskCode = trouble?.code ?? null;
    if (trouble === null) logger.info("the disk takes writes again");
    else notes.degrade(trouble.code, trouble.message);
    this.submit({ kind: "disk", usable: trouble === null });
  }

  #arm(now: number): void {
    const due = Math.max(Math.min(this.#core.nextTickMs(), now + nodeLimits.sleepMsMax), now + 1);
    if (this.#timer !== null && this.#timerDueMs <= due) return;
    this.#timer?.cancel();
    this.#timerDueMs = due;
    this.#timer = this.#parts.clock.after(due - now, () => {
      this.#timer = null;
      this.#timerDueMs = Number.POSITIVE_INFINITY;
      this.submit({ kind: "tick" });
    });
  }
}
