import type { Entry } from "../../protocol/log/entry.js";
import { type ApplyCommandResponse, failReason } from "../../protocol/wire/messages.js";
import type { Clock } from "../clock.js";
import { isBeyondLog } from "../raft/log-bound.js";
import { heldBytes } from "../raft/raft-log.js";
import type { RaftState } from "../raft/state.js";
import type { Proposal, ProposalOrigin, ProposalOutcome } from "../raft/types.js";
import type { Store } from "../store/store.js";
import type { LogTail } from "../store/tail-overlay.js";
import { ExtraBytes, type Held, judgeQuota } from "./data-quota.js";
import { nodeLimits } from "./limits.js";
import { PendingWrites } from "./pending-writes.js";
import {
  answerOf,
  failureOf,
  notSent,
  type OutcomeCallback,
  writeFailure,
} from "./write-outcome.js";

/** What proposals need of the runtime. */
export interface ProposalHost {
  readonly clock: Clock;
  readonly state: RaftState;
  store(): Store;
  /** The entry up to which that store holds all effects. */
  appliedIndex(): number;
  propose(proposals: readonly Proposal[]): void;
  /** False where the receiver is not connected. */
  sendCommand(to: string, command: Uint8Array, requestId: number): boolean;
  /** Answers with a FAIL_REASON. */
  fail(to: string, requestId: number, error: number): void;
  /** A command was refused because it would stop every vanilla member. */
  refused(reason: string, from: string): void;
  /** One was refused because the data would be too much. */
  full(reason: string): void;
  /** One was refused because the log would be too long. @returns why it is so long. */
  logFull(): string;
  readonly dataBytesMax: number;
}

/** To whoever writes through a member that applies nothing: see data-bound.ts. */
const heldBackReason =
  "this member does not apply what is committed now (data-too-large in its status): ask another one";

/** What a turn has had time for. */
interface Judged {
  readonly count: number;
  readonly admissible: readonly Proposal[];
  /** What those commands will take beyond what their entries count for. */
  readonly extraBytes: ReadonlyMap<Uint8Array, number>;
}

interface Refusal {
  /** QUEUE_FULL where it need only be tried again. */
  readonly why: "REQUEST_DENIED" | "QUEUE_FULL";
  readonly reason: string;
}

const noExtraBytes: ReadonlyMap<Uint8Array, number> = new Map();

/** The log beyond what is applied, with the proposals of this turn that will follow it. */
class PendingTail {
  readonly #state: RaftState;
  readonly #appliedIndex: number;
  readonly #extra: Entry[] = [];
  /** What those will come to. */
  bytes = 0;

  constructor(state: RaftState, appliedIndex: number) {
    this.#state = state;
    this.#appliedIndex = appliedIndex;
  }

  get length(): number {
    return this.#state.log.lastIndex - this.#appliedIndex + this.#extra.length;
  }

  at(position: number): Entry | undefined {
    const { log } = this.#state;
    const index = this.#appliedIndex + 1 + position;
    return index <= log.lastIndex ? log.at(index) : this.#extra[index - log.lastIndex - 1];
  }

  add(command: Uint8Array): void {
    const { log, term } = this.#state;
    const entry = { index: log.lastIndex + this.#extra.length + 1, term, command };
    this.#extra.push(entry);
    this.bytes += heldBytes(entry);
  }
}

/**
 * Commands on their way into the log: those that others send us as the leader, gathered a turn at a
 * time, and those submitted here, whose outcome somebody waits for.
 */
export class Proposals {
  readonly #host: ProposalHost;
  #gathered: Proposal[] = [];
  #gatheredBytes = 0;
  #flushScheduled = false;
  readonly #extra = new ExtraBytes();
  readonly pending: PendingWrites;

  constructor(host: ProposalHost) {
    this.#host = host;
    this.pending = new PendingWrites(() => host.appliedIndex());
  }

  /** How many more commands of our own may wait: as many places are left to others. */
  get room(): number {
    return Math.floor((nodeLimits.gatheredMax - this.#gathered.length) / 2);
  }

  /** A command from another member or an observer. */
  receive(from: string, command: Uint8Array, requestId: number | null): void {
    const origin: ProposalOrigin =
      requestId === null ? { kind: "nobody" } : { kind: "remote", from, requestId };
    this.#gather({ command, origin });
  }

  /**
   * A command of our own: appended here where we lead, sent to the leader otherwise.
   *
   * @param deadlineMs When `pending.expire` may give it up.
   */
  submit(
    command: Uint8Array,
    done: OutcomeCallback,
    deadlineMs: number = Number.POSITIVE_INFINITY,
  ): void {
    const { state } = this.#host;
    const id = this.pending.nextId();
    const write = { command, deadlineMs, done };
    if (state.isHeldBack) {
      done(notSent("REQUEST_DENIED", heldBackReason));
    } else if (state.isLeader) {
      this.pending.appending(id, write);
      this.#gather({ command, origin: { kind: "local", id } });
    } else if (state.leader === null) {
      done(notSent("MISSING_LEADER"));
    } else if (this.pending.asked >= nodeLimits.forwardedMax) {
      done(notSent("QUEUE_FULL"));
    } else if (this.#host.sendCommand(state.leader, command, id)) {
      this.pending.ask(id, write);
    } else {
      done(notSent("MISSING_LEADER"));
    }
  }

  /** The core has appended, or refused, a command submitted here. */
  answered(id: number, outcome: ProposalOutcome): void {
    this.pending.appended(id, outcome.appended ? outcome : failureOf(outcome.error));
    this.#endPlaced();
  }

  /** The leader has answered a command that we had sent it: others know the numbers of requests as well. */
  replied(from: string, message: ApplyCommandResponse): void {
    if (from !== this.#host.state.leader) return;
    this.pending.replied(message.requestId, answerOf(message));
    this.#endPlaced();
  }

  /** What is committed is not applied here from now on: nobody waits for it. */
  heldBack(): void {
    this.pending.notApplied(heldBackReason);
  }

  #endPlaced(): void {
    if (this.#host.state.isHeldBack) this.heldBack();
  }

  /** Answers that were on their way over the link to the leader are lost with it. */
  linkLost(peer: string): void {
    if (peer === this.#host.state.leader) this.pending.leaderChanged();
  }

  #gather(proposal: Proposal): void {
    const { command, origin } = proposal;
    const { entryBytesMax } = this.#host.state;
    if (command.length > entryBytesMax) {
      // Nor is it looked at: that would take as long as it is large.
      const reason = `a command of ${command.length} bytes, at most ${entryBytesMax} are taken`;
      this.#refuse(origin, `${reason} (quorate.max_entry_bytes)`);
      return;
    }
    const bytes = this.#gatheredBytes + command.length;
    const isFull = this.#gathered.length > 0 && bytes > nodeLimits.gatheredBytesMax;
    if (isFull || this.#gathered.length >= nodeLimits.gatheredMax) {
      this.#fail(origin, "QUEUE_FULL", "too many proposals wait");
      return;
    }
    this.#gathered.push(proposal);
    this.#gatheredBytes = bytes;
    this.#scheduleFlush();
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    this.#host.clock.soon(() => {
      this.#flushScheduled = false;
      this.flush();
    });
  }

  /** Proposes what has been gathered; otherwise it is when the turn ends. */
  flush(): void {
    const gathered = this.#gathered;
    if (gathered.length === 0) return;
    const judged = this.#host.state.isLeader
      ? this.#judge(gathered)
      : { count: gathered.length, admissible: gathered, extraBytes: noExtraBytes };
    this.#gathered = gathered.slice(judged.count);
    this.#gatheredBytes = this.#gathered.reduce((sum, { command }) => sum + command.length, 0);
    if (this.#gathered.length > 0) this.#scheduleFlush();
    if (judged.count > 0) this.#propose(judged.admissible, judged.extraBytes);
  }

  /** What the core does not append is not going to be applied. */
  #propose(proposals: readonly Proposal[], extraBytes: ReadonlyMap<Uint8Array, number>): void {
    const { log } = this.#host.state;
    let next = log.lastIndex + 1;
    this.#host.propose(proposals);
    for (const { command } of proposals) {
      if (next <= log.lastIndex && log.at(next).command === command) {
        this.#extra.add(next, extraBytes.get(command) ?? 0);
        next += 1;
      } else this.#host.store().forget(command);
    }
  }

  /** Without those that would raise in every vanilla member when applied, as far as there is time. */
  #judge(proposals: readonly Proposal[]): Judged {
    const { clock, state } = this.#host;
    const untilMs = clock.monotonicMs() + nodeLimits.judgeTurnMsMax;
    const appliedIndex = this.#host.appliedIndex();
    const tail = new PendingTail(state, appliedIndex);
    const admissible: Proposal[] = [];
    const store = this.#host.store();
    const extraBytes = new Map<Uint8Array, number>();
    let extraSum = this.#extra.underWay(appliedIndex, state.log.lastIndex);
    let count = 0;
    for (const proposal of proposals) {
      const isAdmitted = store.isAdmittedAtSight(proposal.command, tail);
      // A new leader has all of its log before it that is not applied yet.
      while (!isAdmitted && !store.lookAhead(tail)) {
        if (clock.monotonicMs() >= untilMs) return { count, admissible, extraBytes };
      }
      count += 1;
      const refusal = isAdmitted ? null : refusalOf(proposal.command, tail, store);
      const held = {
        ...{ store, log: state.log, appliedIndex, admittedBytes: tail.bytes },
        extraBytes: extraSum,
        entryBytesMax: state.entryBytesMax,
      };
      const extra = refusal === null ? this.#extraBytesOf(proposal, held, isAdmitted) : null;
      if (refusal !== null) this.#turnDown(proposal.origin, refusal);
      else if (extra === null) store.forget(proposal.command);
      else {
        tail.add(proposal.command);
        admissible.push(proposal);
        if (extra > 0) extraBytes.set(proposal.command, extra);
        extraSum += extra;
      }
      if (clock.monotonicMs() >= untilMs) break;
    }
    return { count, admissible, extraBytes };
  }

  /** @returns null where there may not be so much data: who proposed it has been told. */
  #extraBytesOf({ command, origin }: Proposal, held: Held, isPlain: boolean): number | null {
    if (isBeyondLog(this.#host.state, held.admittedBytes + command.length)) {
      this.#fail(origin, "QUEUE_FULL", this.#host.logFull());
      return null;
    }
    const judged = judgeQuota(command, held, this.#host.dataBytesMax, isPlain);
    if (judged.isTaken) return judged.extraBytes;
    if (judged.isCommands) this.#refuse(origin, judged.reason);
    else {
      if (judged.why === "REQUEST_DENIED") this.#host.full(judged.reason);
      this.#fail(origin, judged.why, judged.reason);
    }
    return null;
  }

  #turnDown(origin: ProposalOrigin, { why, reason }: Refusal): void {
    if (why === "REQUEST_DENIED") this.#refuse(origin, reason);
    else this.#fail(origin, why, reason);
  }

  /** REQUEST_DENIED, on which Patroni does not try again. */
  #refuse(origin: ProposalOrigin, reason: string): void {
    this.#host.refused(reason, origin.kind === "remote" ? origin.from : "this member");
    this.#fail(origin, "REQUEST_DENIED", reason);
  }

  #fail(origin: ProposalOrigin, why: Refusal["why"], reason: string): void {
    if (origin.kind === "local") this.pending.appended(origin.id, writeFailure(why, reason));
    else if (origin.kind === "remote") {
      const error = why === "QUEUE_FULL" ? failReason.queueFull : failReason.requestDenied;
      this.#host.fail(origin.from, origin.requestId, error);
    }
  }
}

/** Null where the command can be applied behind the tail, by vanilla members too. */
function refusalOf(command: Uint8Array, tail: LogTail, store: Store): Refusal | null {
  const delay = store.delay(command, tail);
  if (delay !== null) return { why: "QUEUE_FULL", reason: delay };
  const reason = store.refusal(command, tail);
  return reason === null ? null : { why: "REQUEST_DENIED", reason };
}
