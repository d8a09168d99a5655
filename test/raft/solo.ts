import { commandType, encodeNoOp } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import type {
  AppendEntries,
  PeerMessage,
  QuoratePreVoteAnswer,
} from "../../protocol/wire/messages.js";
import { RaftCore } from "../../src/raft/core.js";
import { raftLimits } from "../../src/raft/limits.js";
import type { RaftState } from "../../src/raft/state.js";
import type { Effect, GuardName, InitialState, Input, PeerStatus } from "../../src/raft/types.js";

export interface SoloOptions {
  readonly self?: string;
  readonly peers?: readonly string[];
  /** Terms of the entries from index 1 on. */
  readonly log?: readonly number[];
  readonly entries?: readonly Entry[];
  readonly term?: number;
  readonly votedFor?: string;
  readonly commit?: number;
  readonly applied?: number;
  readonly members?: readonly string[];
  readonly guests?: readonly string[];
  readonly guardsOff?: readonly GuardName[];
  readonly onConflict?: "keep" | "halt";
  readonly mustRefetch?: boolean;
  readonly forgotTerm?: boolean;
  readonly isJoining?: boolean;
  readonly secondTerm?: number;
  readonly termFloor?: number;
  readonly isNew?: boolean;
  readonly areMembersTold?: boolean;
  /** Whether the peers say quorate_hello when they connect. */
  readonly quorate?: boolean;
  /** Peers connected from the start; all of them where it is not said. */
  readonly connected?: readonly string[];
  readonly random?: () => number;
  readonly nowMs?: number;
  readonly tellsAtTurnEnd?: boolean;
  readonly dataBytesMax?: number;
  readonly logBytesMax?: number;
}

/** An entry whose command tells where it stands; the first of a log is upstream's no-op. */
export function entry(index: number, term: number, text = `x${index}.${term}`): Entry {
  if (index === 1) return { index, term, command: encodeNoOp() };
  return { index, term, command: Uint8Array.of(commandType.regular, ...Buffer.from(text)) };
}

/** Entries with these terms, from index `from` on. */
export function logOf(terms: readonly number[], from = 1): Entry[] {
  return terms.map((term, i) => entry(from + i, term));
}

export function appendFrom(
  term: number,
  [prevLogIdx, prevLogTerm]: readonly [number, number],
  entries: readonly Entry[] = [],
  commitIndex = 1,
): AppendEntries {
  return { type: "append_entries", term, commitIndex, prevLogIdx, prevLogTerm, entries };
}

export function preVoteAnswer(term: number, granted = true): QuoratePreVoteAnswer {
  const committed = { hearsLeader: false, commitIndex: 1, commitTerm: 0 };
  return { type: "quorate_pre_vote_answer", term, granted, ...committed };
}

export function answerOf(
  nextNodeIdx: number,
  { success = true, reset = false }: { success?: boolean; reset?: boolean } = {},
): PeerMessage {
  return { type: "next_node_idx", nextNodeIdx, success, reset };
}

export interface Left {
  readonly to: string;
  readonly message: PeerMessage;
}

type Of<K extends Effect["kind"]> = Extract<Effect, { kind: K }>;

function diskOf(options: SoloOptions, peers: readonly string[]): InitialState {
  return {
    term: options.term ?? 0,
    votedFor: options.votedFor ?? null,
    commitIndex: options.commit ?? 1,
    appliedIndex: options.applied ?? 1,
    entries: options.entries ?? logOf(options.log ?? [0]),
    members: options.members ?? peers,
    mustRefetch: options.mustRefetch ?? false,
    forgotTerm: options.forgotTerm ?? false,
    guests: options.guests ?? [],
    isJoining: options.isJoining ?? false,
    secondTerm: options.secondTerm ?? 0,
    termFloor: options.termFloor ?? 0,
    isNew: options.isNew ?? false,
    areMembersTold: options.areMembersTold ?? false,
  };
}

/**
 * One core between scripted peers, with a disk that syncs when told: `autoDisk` makes every write
 * durable at once. It carries effects out by the contract of core.ts and keeps what has left.
 */
export class Solo {
  readonly core: RaftCore;
  nowMs = 0;
  autoDisk = true;
  autoApply = true;
  /** Every effect, in order. */
  readonly effects: Effect[] = [];
  /** Messages that have left since the last `take`. */
  private readonly outbox: Left[] = [];
  private held: (Left & { after: number })[] = [];
  private durableSeq = 0;
  private writtenSeq = 0;
  private readonly asked: string[] = [];
  /** The latest status question to each peer. */
  private readonly questions = new Map<string, number>();

  constructor(options: SoloOptions = {}) {
    const peers = options.peers ?? ["b:1", "c:1"];
    this.nowMs = options.nowMs ?? 0;
    this.core = new RaftCore(
      {
        selfId: options.self ?? "a:1",
        electionTimeoutMsMin: 400,
        electionTimeoutMsMax: 1400,
        heartbeatMs: 100,
        leaderFallbackMs: 30_000,
        onConflict: options.onConflict ?? "keep",
        random: options.random ?? (() => 0.5),
        tellsAtTurnEnd: options.tellsAtTurnEnd ?? false,
        ...(options.dataBytesMax === undefined ? {} : { dataBytesMax: options.dataBytesMax }),
        ...(options.logBytesMax === undefined ? {} : { logBytesMax: options.logBytesMax }),
        ...(options.guardsOff === undefined ? {} : { guardsOff: new Set(options.guardsOff) }),
      },
      diskOf(options, peers),
      options.nowMs ?? 0,
    );
    this.perform(this.core.begin());
    this.settle();
    for (const peer of options.connected ?? peers) this.connect(peer, options.quorate === true);
    this.take();
    this.asked.length = 0;
  }

  get state(): RaftState {
    return this.core.state;
  }

  connect(peer: string, quorate = false): void {
    this.step({ kind: "connected", peer });
    if (quorate) this.step({ kind: "peer-is-quorate", peer });
  }

  step(input: Input): Effect[] {
    const from = this.effects.length;
    this.perform(this.core.step(input, this.nowMs));
    this.settle();
    return this.effects.slice(from);
  }

  receive(from: string, message: PeerMessage): Effect[] {
    return this.step({ kind: "message", from, message });
  }

  tick(ms = 0): Effect[] {
    this.nowMs += ms;
    return this.step({ kind: "tick" });
  }

  /** Lets time go on until the election deadline has passed. */
  timeOut(): Effect[] {
    return this.tick(Math.max(0, this.state.electionDeadlineMs - this.nowMs) + 1);
  }

  propose(text: string | Uint8Array, id = 0): Effect[] {
    const command =
      typeof text === "string" ? Uint8Array.of(commandType.regular, ...Buffer.from(text)) : text;
    return this.step({
      kind: "propose",
      proposals: [{ command, origin: id === 0 ? { kind: "nobody" } : { kind: "local", id } }],
    });
  }

  /** The disk has done everything that it was asked. */
  sync(): void {
    this.durableSeq = this.writtenSeq;
    this.release();
    this.perform(this.core.step({ kind: "durable", seq: this.durableSeq }, this.nowMs));
  }

  questionTo(peer: string): number {
    return this.questions.get(peer) ?? 0;
  }

  /** The answer to the latest question, or to an earlier one. */
  status(
    peer: string,
    status: Partial<PeerStatus> | null,
    question = this.questionTo(peer),
  ): Effect[] {
    const whole =
      status === null
        ? null
        : {
            version: "0.3.15",
            term: this.state.term,
            commitIndex: 1,
            lastApplied: status.commitIndex ?? 1,
            logLength: 1,
            leader: null,
            ...status,
          };
    return this.step({ kind: "peer-status", peer, question, status: whole });
  }

  /** What has left since the last call. */
  take(): Left[] {
    return this.outbox.splice(0);
  }

  takeAsked(): string[] {
    return this.asked.splice(0);
  }

  /** What has left for `peer` since the last `take`, which this is too. */
  takeTo<T extends PeerMessage["type"]>(
    peer: string,
    type: T,
  ): Extract<PeerMessage, { type: T }>[] {
    const is = (m: PeerMessage): m is Extract<PeerMessage, { type: T }> => m.type === type;
    return this.take()
      .filter(({ to }) => to === peer)
      .map(({ message }) => message)
      .filter(is);
  }

  all<K extends Effect["kind"]>(kind: K): Of<K>[] {
    return this.effects.filter((effect): effect is Of<K> => effect.kind === kind);
  }

  notes(): string[] {
    return this.all("note").map(({ note }) => note.code);
  }

  terms(): number[] {
    const { log } = this.state;
    return log.slice(log.firstIndex, log.lastIndex).map(({ term }) => term);
  }

  /** Wins an election with the help of `voters`, who answer whatever we ask as healthy peers do. */
  lead(voters: readonly string[] = [...this.state.members]): void {
    for (let turn = 0; turn < 100; turn += 1) {
      if (this.state.isLeader && this.state.inquest === null) return;
      if (turn === 0) this.timeOut();
      else this.tick(20);
      for (const peer of this.takeAsked()) if (voters.includes(peer)) this.status(peer, {});
      for (const { to, message } of this.take()) {
        if (voters.includes(to)) this.obey(to, message);
      }
    }
    throw new Error(`not elected: ${this.state.role} of term ${this.state.term}`);
  }

  private obey(peer: string, message: PeerMessage): void {
    if (message.type === "quorate_pre_vote") {
      this.receive(peer, preVoteAnswer(message.term));
    } else if (message.type === "request_vote" && message.lastLogIndex > 0) {
      this.receive(peer, { type: "response_vote", term: message.term });
    } else if (
      message.type === "append_entries" &&
      message.prevLogIdx === raftLimits.unreachableIndex
    ) {
      const next = this.state.log.lastIndex + 1;
      this.receive(peer, answerOf(next, { success: false, reset: true }));
    } else if (message.type === "append_entries" && this.state.inquest !== null) {
      // Whether its log ends where it said.
      this.receive(peer, answerOf((message.prevLogIdx ?? 0) + 1));
    }
  }

  private perform(effects: readonly Effect[]): void {
    for (const effect of effects) {
      this.effects.push(effect);
      if ("seq" in effect) this.writtenSeq = effect.seq;
      if (effect.kind === "send") {
        for (const to of effect.to) {
          this.held.push({ to, message: effect.message, after: effect.after });
        }
      } else if (effect.kind === "ask-status") {
        this.asked.push(effect.peer);
        this.questions.set(effect.peer, effect.question);
      } else if (effect.kind === "apply" && this.autoApply) {
        const index = effect.entries.at(-1)?.index ?? 0;
        this.perform(this.core.step({ kind: "applied", index }, this.nowMs));
      }
    }
    this.release();
  }

  /** Messages to one receiver never overtake each other. */
  private release(): void {
    const waiting = new Set<string>();
    this.held = this.held.filter((item) => {
      if (item.after > this.durableSeq || waiting.has(item.to)) {
        waiting.add(item.to);
        return true;
      }
      this.outbox.push({ to: item.to, message: item.message });
      return false;
    });
  }

  private settle(): void {
    while (this.autoDisk && this.durableSeq < this.writtenSeq) this.sync();
  }
}
