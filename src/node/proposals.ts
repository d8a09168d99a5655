import type { Entry } from "../../protocol/log/entry.js";
import type { PyValue } from "../../protocol/pickle/values.js";
import { type ApplyCommandResponse, failReason } from "../../protocol/wire/messages.js";
import type { RaftState } from "../raft/state.js";
import type { Proposal, ProposalOrigin, ProposalOutcome } from "../raft/types.js";
import type { Store } from "../store/store.js";
import { nodeLimits } from "./limits.js";

/** How a command that was submitted here ended: upstream's `callback(result, failReason)`. */
export interface Outcome {
  /** One of failReason; 0 is success. */
  readonly error: number;
  readonly result: PyValue;
}

export type OutcomeCallback = (outcome: Outcome) => void;

/** What proposals need of the runtime. */
export interface ProposalHost {
  readonly state: RaftState;
  store(): Store;
  propose(proposals: readonly Proposal[]): void;
  /** False where the receiver is not connected. */
  sendCommand(to: string, command: Uint8Array, requestId: number): boolean;
  /** Answers REQUEST_DENIED, on which Patroni does not try again. */
  deny(to: string, requestId: number): void;
  /** A command was refused because it would stop every vanilla member. */
  refused(reason: string, from: string): void;
}

/** The log beyond what is applied, with the proposals of this turn that will follow it. */
class PendingTail {
  readonly #state: RaftState;
  readonly #extra: Entry[] = [];

  constructor(state: RaftState) {
    this.#state = state;
  }

  get length(): number {
    return this.#state.log.lastIndex - this.#state.applyingTo + this.#extra.length;
  }

  at(position: number): Entry | undefined {
    const { log, applyingTo } = this.#state;
    const index = applyingTo + 1 + position;
    return index <= log.lastIndex ? log.at(index) : this.#extra[index - log.lastIndex - 1];
  }

  add(command: Uint8Array): void {
    const { log, term } = this.#state;
    this.#extra.push({ index: log.lastIndex + this.#extra.length + 1, term, command });
  }
}

/**
 * Commands on their way into the log: those that others send us as the leader, gathered a turn at a
 * time, and those submitted here, whose outcome somebody waits for.
 */
export class Proposals {
  readonly #host: ProposalHost;
  #gathered: Proposal[] = [];
  #flushScheduled = false;
  #lastId = 0;
  /** Submitted here: waiting to be appended, or for the leader's answer. */
  readonly #waitingAnswer = new Map<number, OutcomeCallback>();
  readonly #waitingReply = new Map<number, OutcomeCallback>();
  /** By log index: who waits for that entry to be applied. */
  readonly #waitingApply = new Map<number, { term: number; done: OutcomeCallback }[]>();

  constructor(host: ProposalHost) {
    this.#host = host;
  }

  /** A command from another member or an observer. */
  receive(from: string, command: Uint8Array, requestId: number | null): void {
    const origin: ProposalOrigin =
      requestId === null ? { kind: "nobody" } : { kind: "remote", from, requestId };
    this.#gather({ command, origin });
  }

  /** A command of our own: appended here where we lead, sent to the leader otherwise. */
  submit(command: Uint8Array, done: OutcomeCallback): void {
    const { state } = this.#host;
    this.#lastId += 1;
    const id = this.#lastId;
    if (state.isLeader) {
      this.#waitingAnswer.set(id, done);
      this.#gather({ command, origin: { kind: "local", id } });
      return;
    }
    if (state.leader === null) {
      done({ error: failReason.missingLeader, result: null });
    } else if (this.#waitingReply.size >= nodeLimits.forwardedMax) {
      done({ error: failReason.queueFull, result: null });
    } else if (this.#host.sendCommand(state.leader, command, id)) {
      this.#waitingReply.set(id, done);
    } else {
      done({ error: failReason.missingLeader, result: null });
    }
  }

  /** The core has appended, or refused, a command submitted here. */
  answered(id: number, outcome: ProposalOutcome): void {
    const done = this.#waitingAnswer.get(id);
    this.#waitingAnswer.delete(id);
    if (done === undefined) return;
    if (!outcome.appended) done({ error: outcome.error, result: null });
    else if (outcome.index <= this.#host.state.applyingTo) {
      // Our disk was so slow that another leader's entries were applied first: ours may be gone.
      done({ error: failReason.unknownOutcome, result: null });
    } else this.#waitFor(outcome.index, outcome.term, done);
  }

  /** The leader has answered a command that we had sent it. */
  replied(message: ApplyCommandResponse): void {
    const done = this.#waitingReply.get(message.requestId);
    this.#waitingReply.delete(message.requestId);
    if (done === undefined) return;
    if ("error" in message) done({ error: message.error, result: null });
    else if (message.logIdx <= this.#host.state.applyingTo) {
      done({ error: failReason.unknownOutcome, result: null });
    } else this.#waitFor(message.logIdx, message.logTerm, done);
  }

  /** The entry is applied; whoever waited for this index learns what came of it. */
  applied(entry: Entry, result: PyValue): void {
    const waiting = this.#waitingApply.get(entry.index);
    if (waiting === undefined) return;
    this.#waitingApply.delete(entry.index);
    for (const { term, done } of waiting) {
      if (term === entry.term) done({ error: failReason.success, result });
      else done({ error: failReason.discarded, result: null });
    }
  }

  /** A dump has replaced the log up to here: what was waited for may or may not be in it. */
  appliedByDump(index: number): void {
    for (const [waitedFor, waiting] of this.#waitingApply) {
      if (waitedFor > index) continue;
      this.#waitingApply.delete(waitedFor);
      for (const { done } of waiting) done({ error: failReason.unknownOutcome, result: null });
    }
  }

  /** Answers that were on their way over the link to the leader are lost with it. */
  linkLost(peer: string): void {
    if (peer === this.#host.state.leader) this.leaderChanged();
  }

  /** Answers of the old leader will not come any more. Upstream: SyncObj.__onLeaderChanged. */
  leaderChanged(): void {
    const waiting = [...this.#waitingReply.values()];
    this.#waitingReply.clear();
    for (const done of waiting) done({ error: failReason.leaderChanged, result: null });
  }

  #waitFor(index: number, term: number, done: OutcomeCallback): void {
    const waiting = this.#waitingApply.get(index);
    if (waiting === undefined) this.#waitingApply.set(index, [{ term, done }]);
    else waiting.push({ term, done });
  }

  #gather(proposal: Proposal): void {
    this.#gathered.push(proposal);
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#flushScheduled = false;
    const gathered = this.#gathered;
    this.#gathered = [];
    this.#host.propose(this.#host.state.isLeader ? this.#admissible(gathered) : gathered);
  }

  /** Without those that would raise in every vanilla member when applied. */
  #admissible(proposals: readonly Proposal[]): Proposal[] {
    const tail = new PendingTail(this.#host.state);
    const admissible: Proposal[] = [];
    for (const proposal of proposals) {
      const reason = this.#host.store().refusal(proposal.command, tail);
      if (reason === null) {
        tail.add(proposal.command);
        admissible.push(proposal);
      } else this.#refuse(proposal.origin, reason);
    }
    return admissible;
  }

  #refuse(origin: ProposalOrigin, reason: string): void {
    this.#host.refused(reason, origin.kind === "remote" ? origin.from : "this member");
    if (origin.kind === "local") {
      this.answered(origin.id, { appended: false, error: failReason.requestDenied });
    } else if (origin.kind === "remote") this.#host.deny(origin.from, origin.requestId);
  }
}
