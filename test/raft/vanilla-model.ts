import { encodeNoOp } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import type {
  AppendEntries,
  NextNodeIdx,
  PeerMessage,
  RequestVote,
} from "../../protocol/wire/messages.js";
import type { PeerStatus } from "../../src/raft/types.js";
import type { Left } from "./solo.js";

/** What survives a restart of a vanilla member. */
interface VanillaDisk {
  log: Entry[];
  /** As of the last whole second only. */
  commitIndex: number;
}

/**
 * PySyncObj 0.3.15 as a peer sees it (pysyncobj/syncobj.py, `_onTick` and `__onMessageReceived`):
 * votes are counted and not told apart, every append_entries cuts what follows its prevLogIdx,
 * applied entries are never taken back, and term and vote are forgotten at a restart.
 */
export class VanillaModel {
  readonly id: string;
  readonly others: readonly string[];
  readonly connected = new Set<string>();
  log: Entry[];
  term = 0;
  votedFor: string | null = null;
  role: "follower" | "candidate" | "leader" = "follower";
  leader: string | null = null;
  commitIndex = 1;
  /** As its status tells. */
  version = "0.3.15";
  /** Commands in the order in which they were applied; lastApplied counts them. */
  applied: Entry[];
  deadlineMs = 0;
  private votes = 0;
  private readonly next = new Map<string, number>();
  private readonly match = new Map<string, number>();
  private nextHeartbeatMs = 0;
  private storedCommit = 1;
  private nextStoreMs = 0;
  private readonly random: () => number;

  constructor(id: string, others: readonly string[], random: () => number) {
    this.id = id;
    this.others = others;
    this.random = random;
    this.log = [{ index: 1, term: 0, command: encodeNoOp() }];
    this.applied = this.log.slice(0, 1);
  }

  get lastIndex(): number {
    return this.log.at(-1)?.index ?? 0;
  }

  get lastTerm(): number {
    return this.log.at(-1)?.term ?? 0;
  }

  get lastApplied(): number {
    return this.applied.at(-1)?.index ?? 1;
  }

  get disk(): VanillaDisk {
    return { log: [...this.log], commitIndex: this.storedCommit };
  }

  status(): PeerStatus {
    return {
      version: this.version,
      term: this.term,
      commitIndex: this.commitIndex,
      lastApplied: this.lastApplied,
      logLength: this.log.length,
      leader: this.leader,
    };
  }

  /** Comes back with its journal, and without term, vote and the latest commit index. */
  restart(nowMs: number): void {
    this.term = 0;
    this.votedFor = null;
    this.role = "follower";
    this.leader = null;
    this.commitIndex = this.storedCommit;
    this.applied = this.log.slice(0, 1);
    this.connected.clear();
    this.applyCommitted();
    this.resetDeadline(nowMs);
  }

  tick(nowMs: number): Left[] {
    const out: Left[] = [];
    if (nowMs >= this.nextStoreMs) {
      this.storedCommit = this.commitIndex;
      this.nextStoreMs = nowMs + 1000;
    }
    if (this.deadlineMs === 0) this.resetDeadline(nowMs);
    if (this.role !== "leader" && nowMs > this.deadlineMs && this.connected.size > 0) {
      this.campaign(nowMs, out);
    }
    if (this.role === "leader") this.raiseCommit();
    this.applyCommitted();
    if (this.role === "leader" && nowMs >= this.nextHeartbeatMs) this.sendAll(nowMs, out);
    return out;
  }

  receive(from: string, message: PeerMessage, nowMs: number): Left[] {
    const out: Left[] = [];
    if (message.type === "request_vote") this.onRequestVote(from, message, nowMs, out);
    else if (message.type === "append_entries") this.onAppend(from, message, nowMs, out);
    else if (message.type === "install_snapshot") this.accept(from, message.term, nowMs);
    else if (message.type === "next_node_idx") this.onAnswer(from, message);
    else if (message.type === "response_vote" && this.role === "candidate") {
      if (message.term === this.term) this.votes += 1;
      if (this.isMajority(this.votes)) this.becomeLeader(nowMs, out);
    }
    return out;
  }

  propose(command: Uint8Array): boolean {
    if (this.role !== "leader") return false;
    this.log.push({ index: this.lastIndex + 1, term: this.term, command });
    return true;
  }

  /** A whole dump has come: log and memory are replaced. */
  takeDump(log: readonly Entry[], applied: readonly Entry[]): PeerMessage {
    this.log = [...log];
    this.applied = [...applied];
    this.commitIndex = this.lastIndex;
    const nextNodeIdx = this.lastIndex + 1;
    return { type: "next_node_idx", nextNodeIdx, reset: false, success: true };
  }

  private isMajority(count: number): boolean {
    return count > (this.others.length + 1) / 2;
  }

  private resetDeadline(nowMs: number): void {
    this.deadlineMs = nowMs + 400 + 1000 * this.random();
  }

  private at(index: number): Entry | undefined {
    return this.log[index - (this.log[0]?.index ?? 1)];
  }

  private campaign(nowMs: number, out: Left[]): void {
    this.resetDeadline(nowMs);
    this.leader = null;
    this.role = "candidate";
    this.term += 1;
    this.votedFor = this.id;
    this.votes = 1;
    const { term, lastIndex: lastLogIndex, lastTerm: lastLogTerm } = this;
    for (const to of this.connected) {
      out.push({ to, message: { type: "request_vote", term, lastLogIndex, lastLogTerm } });
    }
  }

  private becomeLeader(nowMs: number, out: Left[]): void {
    this.role = "leader";
    this.leader = this.id;
    for (const other of this.others) {
      this.next.set(other, this.lastIndex + 1);
      this.match.set(other, 0);
    }
    this.propose(encodeNoOp());
    this.sendAll(nowMs, out);
  }

  private raiseCommit(): void {
    let raised = this.commitIndex;
    for (let index = this.commitIndex + 1; index <= this.lastIndex; index += 1) {
      const holders = this.others.filter((other) => (this.match.get(other) ?? 0) >= index);
      if (!this.isMajority(holders.length + 1)) break;
      if (this.at(index)?.term === this.term) raised = index;
    }
    this.commitIndex = raised;
  }

  /** What is applied stays applied, also where the log below it is cut and written anew. */
  private applyCommitted(): void {
    while (this.lastApplied < this.commitIndex) {
      const entry = this.at(this.lastApplied + 1);
      if (entry === undefined) return;
      this.applied.push(entry);
    }
  }

  private sendAll(nowMs: number, out: Left[]): void {
    this.nextHeartbeatMs = nowMs + 100;
    for (const to of this.connected) out.push({ to, message: this.messageFor(to) });
  }

  private messageFor(peer: string): PeerMessage {
    const { term, commitIndex } = this;
    const next = this.next.get(peer) ?? this.lastIndex + 1;
    if (next <= (this.log[0]?.index ?? 1)) {
      return { type: "install_snapshot", term, commitIndex, chunk: null };
    }
    const before = this.at(next - 1);
    const entries = this.log.filter((entry) => entry.index >= next);
    this.next.set(peer, next + entries.length);
    const prevLogIdx = before === undefined ? null : next - 1;
    const prevLogTerm = before?.term ?? null;
    return { type: "append_entries", term, commitIndex, prevLogIdx, prevLogTerm, entries };
  }

  private onAnswer(from: string, { nextNodeIdx, reset, success }: NextNodeIdx): void {
    if (this.role !== "leader") return;
    if (reset) this.next.set(from, nextNodeIdx);
    if (success && (this.match.get(from) ?? 0) < nextNodeIdx - 1) {
      this.match.set(from, nextNodeIdx - 1);
      this.next.set(from, nextNodeIdx);
    }
  }

  private onRequestVote(from: string, message: RequestVote, nowMs: number, out: Left[]): void {
    if (message.term > this.term) {
      this.term = message.term;
      this.votedFor = null;
      this.role = "follower";
      this.leader = null;
    }
    if (this.role === "leader" || message.term < this.term || this.votedFor !== null) return;
    if (message.lastLogTerm < this.lastTerm) return;
    if (message.lastLogTerm === this.lastTerm && message.lastLogIndex < this.lastIndex) return;
    this.votedFor = from;
    this.resetDeadline(nowMs);
    out.push({ to: from, message: { type: "response_vote", term: message.term } });
  }

  private accept(from: string, term: number, nowMs: number): boolean {
    if (term < this.term) return false;
    if (term > this.term) this.votedFor = null;
    this.term = term;
    this.leader = from;
    this.role = "follower";
    this.resetDeadline(nowMs);
    return true;
  }

  private onAppend(from: string, message: AppendEntries, nowMs: number, out: Left[]): void {
    if (!this.accept(from, message.term, nowMs)) return;
    const { prevLogIdx, prevLogTerm, entries, commitIndex } = message;
    const answer = (nextNodeIdx: number, success: boolean) => {
      const reset = !success;
      out.push({ to: from, message: { type: "next_node_idx", nextNodeIdx, reset, success } });
    };
    const before = prevLogIdx === null ? undefined : this.at(prevLogIdx);
    if (prevLogIdx === null || before?.term !== prevLogTerm) {
      answer(before === undefined ? this.lastIndex + 1 : before.index, false);
      return;
    }
    this.log = this.log.filter((entry) => entry.index <= prevLogIdx);
    this.log.push(...entries);
    answer(this.lastIndex + 1, true);
    if (commitIndex > this.commitIndex) this.commitIndex = Math.min(commitIndex, this.lastIndex);
  }
}
