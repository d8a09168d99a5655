import { encodeNoOp } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import { decodeEntryTuple } from "../../protocol/wire/message-codec.js";
import {
  type AppendChunk,
  type AppendEntries,
  failReason,
  type InstallSnapshot,
  type PeerMessage,
  type RequestVote,
} from "../../protocol/wire/messages.js";
import { Store } from "../../src/store/store.js";
import { decodeDump, encodeDump } from "./vanilla-dump.js";
import type { VanillaFiles, VanillaHost } from "./vanilla-host.js";
import { isMembership, VanillaMembers } from "./vanilla-members.js";
import { VanillaSender } from "./vanilla-sender.js";
import { type Outcome, VanillaWrites } from "./vanilla-writes.js";

interface Queued {
  readonly command: Uint8Array;
  readonly from: { readonly node: string; readonly requestId: number } | null;
  readonly done: Outcome | null;
}

const heartbeatMs = 100;

/**
 * PySyncObj as a peer sees it, of either behaviour class (pysyncobj/syncobj.py). Its faults are kept:
 * votes are counted and not told apart, each append_entries cuts what follows its prevLogIdx, applied
 * entries are never taken back, a new dump is in place before the journal is cut, and of a large
 * entry two pieces may be marked as the last.
 */
export class VanillaNode {
  readonly files: VanillaFiles;
  log: Entry[];
  term = 0;
  votedFor: string | null = null;
  role: "follower" | "candidate" | "leader" = "follower";
  leader: string | null = null;
  commitIndex: number;
  lastApplied = 1;
  store = new Store();
  deadlineMs: number;
  readonly #host: VanillaHost;
  #votes = 0;
  #isTransferring = false;
  #mustLoadDump = true;
  readonly #sender: VanillaSender;
  readonly #members: VanillaMembers;
  /** A peer that was dropped is never taken out of these: it is told of no end of that link. */
  readonly #connected = new Set<string>();
  #noOpIndex = 0;
  #nextHeartbeatMs = 0;
  readonly #startedMs: number;
  #secondsStored = 0;
  #isCommitStored = true;
  #receiving: Uint8Array[] = [];
  #incoming: Uint8Array[] | null = null;
  /** Whose dump is being written, and whether it is in place already. */
  #dumping: { readonly index: number; isInPlace: boolean } | null = null;
  #lastDumpIndex = 0;
  readonly #queue: Queued[] = [];
  readonly #writes = new VanillaWrites();

  constructor(files: VanillaFiles, host: VanillaHost) {
    this.files = files;
    this.#host = host;
    this.#sender = new VanillaSender(this, host);
    this.#members = new VanillaMembers(host.self, host.others, {
      added: (peer) => {
        this.#sender.begin(peer);
        host.addPeer(peer);
      },
      dropped: (peer) => {
        this.#sender.forget(peer);
        host.dropPeer(peer);
      },
    });
    this.deadlineMs = host.nowMs() + this.#timeoutMs();
    this.#startedMs = host.nowMs();
    this.log = [...files.journal];
    if (this.log.length === 0) this.#add({ index: 1, term: 0, command: encodeNoOp() });
    if (host.remembers) {
      this.term = Math.max(files.term, this.lastTerm);
      this.votedFor = files.votedFor;
    }
    this.commitIndex = files.commitIndex;
  }

  /** Whom it takes for members, beside itself. */
  get others(): readonly string[] {
    return [...this.#members.others];
  }

  /** The dump that may be sent: none while a child writes the next one. */
  get dumpToSend(): Uint8Array | null {
    return this.#dumping === null ? this.files.dump : null;
  }

  get lastIndex(): number {
    return this.log.at(-1)?.index ?? 0;
  }

  get lastTerm(): number {
    return this.log.at(-1)?.term ?? 0;
  }

  connected(peer: string): void {
    this.#connected.add(peer);
  }

  disconnected(peer: string): void {
    this.#connected.delete(peer);
  }

  /** A command of a client of this member. */
  submit(command: Uint8Array, done: Outcome | null): void {
    this.#queue.push({ command, from: null, done });
  }

  /** `_onTick`, without the network's part. */
  tick(): void {
    if (this.#mustLoadDump && this.files.dump !== null) this.#loadDump(false);
    this.#mustLoadDump = false;
    const now = this.#host.nowMs();
    if ((now - this.#startedMs) / 1_000 > this.#secondsStored) {
      this.#secondsStored += 1;
      this.#storeCommitIndex();
    }
    if (this.role !== "leader" && this.deadlineMs < now && this.#isConnectedToAnyone()) {
      this.#campaign(now);
    }
    if (this.role === "leader") this.#lead(now);
    this.#applyCommitted();
    if (this.role === "leader" && now > this.#nextHeartbeatMs) this.#sendAll();
    this.#takeCommands();
    this.#compact();
  }

  receive(from: string, message: PeerMessage): void {
    switch (message.type) {
      case "timeout_now":
        if (this.#host.remembers && message.term >= this.term && from === this.leader) {
          this.deadlineMs = 0;
          this.#isTransferring = true;
        }
        break;
      case "request_vote":
        this.#onRequestVote(from, message);
        break;
      case "append_entries":
      case "append_chunk":
      case "install_snapshot":
        if (message.term >= this.term) this.#onFromLeader(from, message);
        break;
      case "apply_command": {
        const { command, requestId } = message;
        const origin = requestId === null ? null : { node: from, requestId };
        this.#queue.push({ command, from: origin, done: null });
        break;
      }
      case "apply_command_response":
        this.#writes.replied(message, this.lastApplied);
        break;
      case "response_vote":
        if (this.role === "candidate" && message.term === this.term) {
          this.#votes += 1;
          if (this.#isMajority(this.#votes)) this.#becomeLeader();
        }
        break;
      case "next_node_idx":
        if (this.role === "leader") this.#sender.answered(from, message);
        break;
      default:
        // It knows no other type, and ignores it.
        break;
    }
  }

  #timeoutMs(): number {
    return 400 + 1_000 * this.#host.random();
  }

  #isMajority(count: number): boolean {
    return count > (this.#members.others.size + 1) / 2;
  }

  #isConnectedToAnyone(): boolean {
    return this.#connected.size > 0 || this.#members.others.size === 0;
  }

  /** Undefined where the log does not hold it. */
  at(index: number): Entry | undefined {
    return this.log[index - (this.log[0]?.index ?? 1)];
  }

  #add(entry: Entry): void {
    this.log.push(entry);
    this.files.journal = [...this.log];
  }

  #setTerm(term: number, votedFor: string | null): void {
    this.term = term;
    this.votedFor = votedFor;
    if (!this.#host.remembers) return;
    this.files.term = term;
    this.files.votedFor = votedFor;
    this.files.commitIndex = this.commitIndex;
    this.#isCommitStored = true;
  }

  #storeCommitIndex(): void {
    if (!this.#isCommitStored) this.files.commitIndex = this.commitIndex;
    this.#isCommitStored = true;
  }

  #setCommit(index: number): void {
    this.commitIndex = index;
    this.#isCommitStored = false;
  }

  #campaign(now: number): void {
    this.deadlineMs = now + this.#timeoutMs();
    this.#isTransferring = false;
    this.leader = null;
    this.role = "candidate";
    this.#setTerm(this.term + 1, this.#host.self);
    this.#votes = 1;
    const { term, lastIndex: lastLogIndex, lastTerm: lastLogTerm } = this;
    for (const other of this.others) {
      this.#host.send(other, { type: "request_vote", term, lastLogIndex, lastLogTerm });
    }
    this.#writes.leaderChanged();
    if (this.#isMajority(this.#votes)) this.#becomeLeader();
  }

  #becomeLeader(): void {
    this.leader = this.#host.self;
    this.role = "leader";
    for (const other of this.others) this.#sender.begin(other);
    this.#host.say(`leads term ${this.term} from ${this.lastIndex}/${this.lastTerm}`);
    this.#noOpIndex = this.lastIndex + 1;
    this.#add({ index: this.#noOpIndex, term: this.term, command: encodeNoOp() });
    this.#sendAll();
  }

  #lead(now: number): void {
    const { others } = this;
    let next = this.commitIndex;
    for (let index = this.commitIndex + 1; index <= this.lastIndex; index += 1) {
      const holders = others.filter((other) => this.#sender.matchOf(other) >= index);
      if (!this.#isMajority(holders.length + 1)) break;
      if (this.at(index)?.term === this.term) next = index;
    }
    if (next !== this.commitIndex) this.#setCommit(next);
    const heard = others.filter((other) => this.#sender.answeredMs(other) > now - 30_000);
    if (this.#isMajority(heard.length + 1)) return;
    this.role = "follower";
    this.leader = null;
  }

  #applyCommitted(): void {
    while (this.commitIndex > this.lastApplied) {
      const entry = this.at(this.lastApplied + 1);
      if (entry === undefined) return;
      this.store.apply(entry.command, this.lastApplied + 1);
      this.#members.change(entry.command, { isUndone: false });
      this.lastApplied += 1;
      this.#writes.applied(entry);
    }
  }

  #sendAll(): void {
    this.#nextHeartbeatMs = this.#host.nowMs() + heartbeatMs;
    for (const other of this.others) {
      if (this.#connected.has(other)) this.#sender.sendTo(other);
      else this.#sender.dropDump(other);
    }
  }

  #onRequestVote(from: string, message: RequestVote): void {
    if (message.term > this.term) {
      this.#setTerm(message.term, null);
      this.role = "follower";
      this.leader = null;
    }
    if (this.role === "leader" || message.term < this.term) return;
    if (message.lastLogTerm < this.lastTerm) return;
    if (message.lastLogTerm === this.lastTerm && message.lastLogIndex < this.lastIndex) return;
    if (this.votedFor !== null) return;
    this.#setTerm(this.term, from);
    this.deadlineMs = this.#host.nowMs() + this.#timeoutMs();
    this.#host.send(from, { type: "response_vote", term: message.term });
  }

  #onFromLeader(from: string, message: AppendEntries | AppendChunk | InstallSnapshot): void {
    if (message.term > this.term) this.#isTransferring = false;
    if (!this.#isTransferring) this.deadlineMs = this.#host.nowMs() + this.#timeoutMs();
    if (this.leader !== from) this.#writes.leaderChanged();
    this.leader = from;
    if (message.term > this.term) this.#setTerm(message.term, null);
    this.role = "follower";
    if (message.type === "install_snapshot") this.#onDumpPiece(from, message);
    else if (!this.#onEntries(from, message)) return;
    if (this.#host.remembers && this.commitIndex > this.lastIndex) this.#setCommit(this.lastIndex);
    const commit = Math.min(message.commitIndex, this.lastIndex);
    if (message.commitIndex > this.commitIndex) this.commitIndex = commit;
    this.#isCommitStored = false;
  }

  /** @returns whether the message's commit index counts. */
  #onEntries(from: string, message: AppendEntries | AppendChunk): boolean {
    const entries =
      message.type === "append_entries" ? message.entries : this.#onPiece(from, message);
    if (entries === null) return false;
    const { prevLogIdx, prevLogTerm } = message;
    const before = prevLogIdx === null ? undefined : this.at(prevLogIdx);
    if (prevLogIdx === null || before === undefined) {
      this.#answer(from, this.lastIndex + 1, { reset: true, success: false });
      return false;
    }
    if (before.term !== prevLogTerm) {
      this.#answer(from, prevLogIdx, { reset: true, success: false });
      return false;
    }
    const gone = this.log.filter(({ index }) => index > prevLogIdx);
    for (const { command } of gone.reverse()) this.#members.change(command, { isUndone: true });
    this.log = this.log.filter(({ index }) => index <= prevLogIdx);
    for (const entry of entries) this.#add(entry);
    this.files.journal = [...this.log];
    for (const { command } of entries) this.#members.change(command, { isUndone: false });
    const next = (entries.at(-1)?.index ?? prevLogIdx) + 1;
    this.#answer(from, next, { reset: false, success: true });
    return true;
  }

  #onPiece(from: string, { transmission, data }: AppendChunk): Entry[] | null {
    if (transmission === "start") this.#receiving = [];
    this.#receiving.push(data);
    if (transmission !== "finish") {
      this.#answer(from, this.lastIndex + 1, { reset: false, success: false });
      return null;
    }
    try {
      const entry = decodeEntryTuple(Buffer.concat(this.#receiving));
      this.#receiving = [];
      return [entry];
    } catch {
      // It raises, and what came so far stays.
      return null;
    }
  }

  #onDumpPiece(from: string, { chunk }: InstallSnapshot): void {
    if (chunk === null) return;
    if (chunk.isFirst) this.#incoming = [];
    if (this.#incoming === null) return;
    this.#incoming.push(chunk.data);
    if (!chunk.isLast) return;
    this.files.dump = Buffer.concat(this.#incoming);
    this.#incoming = null;
    this.#loadDump(true);
    this.#answer(from, this.lastIndex + 1, { reset: false, success: true });
  }

  #answer(to: string, nextNodeIdx: number, how: { reset: boolean; success: boolean }): void {
    this.#host.send(to, { type: "next_node_idx", nextNodeIdx, ...how });
  }

  #takeCommands(): void {
    if (this.leader === null) return;
    for (const { command, from, done } of this.#queue.splice(0)) {
      if (this.role === "leader") {
        if (isMembership(command) && !this.#mayChange(command)) {
          this.#refuse({ command, from, done });
          continue;
        }
        const index = this.lastIndex + 1;
        this.#add({ index, term: this.term, command });
        if (from !== null) {
          const { requestId } = from;
          const at = { logIdx: index, logTerm: this.term };
          this.#host.send(from.node, { type: "apply_command_response", requestId, ...at });
        } else if (done !== null) this.#writes.placed(index, this.term, done);
      } else if (from !== null) {
        const { requestId } = from;
        const error = failReason.notLeader;
        this.#host.send(from.node, { type: "apply_command_response", requestId, error });
      } else {
        const requestId = this.#writes.ask(done);
        this.#host.send(this.leader, { type: "apply_command", command, requestId });
      }
    }
  }

  /** It takes effect at once. Of earlier changes it does not ask whether they are committed. */
  #mayChange(command: Uint8Array): boolean {
    if (this.lastApplied < this.#noOpIndex) return false;
    return this.#members.change(command, { isUndone: false });
  }

  #refuse({ from, done }: Queued): void {
    const error = failReason.requestDenied;
    if (from === null) done?.(error);
    else {
      const { requestId, node } = from;
      this.#host.send(node, { type: "apply_command_response", requestId, error });
    }
  }

  #compact(): void {
    if (this.#dumping !== null) {
      if (!this.#dumping.isInPlace) return;
      const { index } = this.#dumping;
      this.#dumping = null;
      this.#sender.dropDumps();
      this.log = this.log.filter((entry) => entry.index >= index);
      this.files.journal = [...this.log];
      this.#lastDumpIndex = index;
      return;
    }
    if (this.log.length <= this.#host.compactionEntries) return;
    const previous = this.at(this.lastApplied - 1);
    const last = this.at(this.lastApplied);
    if (previous === undefined || last === undefined || previous.index === this.#lastDumpIndex)
      return;
    const members = [this.#host.self, ...this.others];
    const dump = encodeDump(this.store, { last, previous, members });
    const dumping = { index: previous.index, isInPlace: false };
    this.#dumping = dumping;
    this.#host.forkDump(() => {
      // A process that ends here has the new dump beside the old journal, and clears that one.
      this.files.dump = dump;
      dumping.isInPlace = true;
    });
  }

  #loadDump(clearsJournal: boolean): void {
    if (this.files.dump === null) return;
    const dump = decodeDump(this.files.dump);
    this.store = Store.fromDump(dump.data);
    const isHead = isSame(this.log[0], dump.previous) && isSame(this.log[1], dump.last);
    if (clearsJournal || !isHead) {
      this.log = [dump.previous, dump.last];
      this.files.journal = [...this.log];
    }
    this.lastApplied = dump.last.index;
    if (this.#host.remembers && this.commitIndex > this.lastIndex) {
      this.#setCommit(this.lastIndex);
    }
    this.#members.replace(dump.members);
  }
}

function isSame(a: Entry | undefined, b: Entry): boolean {
  if (a === undefined || a.index !== b.index || a.term !== b.term) return false;
  return Buffer.compare(a.command, b.command) === 0;
}
