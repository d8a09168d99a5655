import type { Entry } from "../../protocol/log/entry.js";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import { parseStatus } from "../../protocol/wire/utility.js";
import type { DurableLog, DurableView } from "./durable-view.js";
import { isSame, ToldLog } from "./told-log.js";
import type { Tapped } from "./wire-tap.js";

/** An entry that was confirmed. */
export interface ToldEntry {
  readonly index: number;
  readonly term: number;
  /** Null where nobody whose bytes were seen had asked for it. */
  readonly command: Uint8Array | null;
}

/** What the others may rely on from a moment on, because the member has told them. */
export interface Revealed {
  /** The highest term told. */
  readonly term: number;
  /** Whom the member has voted for, by term; null where the message did not say whom. */
  readonly votes: ReadonlyMap<number, string | null>;
  /** The entries that it has confirmed to hold, by index. */
  readonly entries: ReadonlyMap<number, ToldEntry>;
  readonly log: ToldLog;
}

/** What else `held` would have to be than the entry that was told; null: it is that one. */
export function otherThanTold(told: ToldEntry, held: Entry | undefined): string | null {
  if (held === undefined) return "gone";
  if (held.term !== told.term) return `of term ${held.term}`;
  if (told.command !== null && !isSame(told.command, held.command)) return "of other bytes";
  return null;
}

/**
 * Follows what a traced member sends and receives, and holds each message that it sends against what
 * was durable when the send began. A fault is a line that names the message.
 */
export class Revealing implements Revealed {
  term = 0;
  readonly votes = new Map<number, string | null>();
  readonly entries = new Map<number, ToldEntry>();
  readonly log = new ToldLog();
  readonly faults: string[] = [];
  /** How many messages of a kind were held against the disk. */
  readonly checked = new Map<string, number>();
  readonly #selfAddr: string;
  readonly #view: DurableView;
  readonly #majority: number;
  /** Entries of a leader that are not confirmed yet, by connection. */
  readonly #received = new Map<number, Entry[]>();
  /** Commands that the member was asked to append, by connection and request. */
  readonly #asked = new Map<string, Uint8Array>();
  /** The dump that was held against the log last: it stays the same for long. */
  #judgedDump: DurableLog["dump"] = null;
  /** Of this leadership: up to where each peer has confirmed. */
  #matches = new Map<string, number>();
  #leadsTerm = 0;
  /** The commit index that others have told, or that is no news. */
  #knownCommit = 1;

  constructor(selfAddr: string, view: DurableView, majority: number) {
    this.#selfAddr = selfAddr;
    this.#view = view;
    this.#majority = majority;
  }

  /** A new process of the member. */
  restarted(): void {
    this.#received.clear();
    this.#asked.clear();
    this.log.restarted();
    this.#matches.clear();
    this.#leadsTerm = 0;
  }

  take(tapped: Tapped): void {
    const { message, direction } = tapped;
    const entries = message === null ? [] : this.log.take(tapped, message);
    if (direction === "received") {
      if (message !== null) this.#heard(tapped, message, entries);
    } else if (message === null) this.#replied(tapped);
    else this.#sent(tapped, message);
  }

  #heard({ connection, peer }: Tapped, message: PeerMessage, entries: readonly Entry[]): void {
    switch (message.type) {
      case "append_entries":
        this.#toConfirm(connection, entries);
        this.#knownCommit = Math.max(this.#knownCommit, message.commitIndex);
        break;
      case "append_chunk":
        this.#toConfirm(connection, entries);
        break;
      case "apply_command":
        this.#asked.set(`${connection} ${message.requestId}`, message.command);
        break;
      case "install_snapshot":
        this.#knownCommit = Math.max(this.#knownCommit, message.commitIndex);
        break;
      case "next_node_idx":
        if (!message.success || peer === null || peer === "readonly") break;
        this.#matches.set(peer, Math.max(this.#matches.get(peer) ?? 0, message.nextNodeIdx - 1));
        break;
      default:
        break;
    }
  }

  /** A newer leader's entries may take the place of confirmed ones from here on. */
  #toConfirm(connection: number, entries: readonly Entry[]): void {
    this.#received.set(connection, [...(this.#received.get(connection) ?? []), ...entries]);
    const conflict = entries.find(({ index, term }) => {
      const confirmed = this.entries.get(index);
      return confirmed !== undefined && confirmed.term !== term;
    });
    if (conflict === undefined) return;
    for (const index of [...this.entries.keys()]) {
      if (index >= conflict.index) this.entries.delete(index);
    }
  }

  #replied(tapped: Tapped): void {
    if (!(tapped.reply instanceof Map) || !tapped.reply.has("raft_term")) return;
    this.#checkTerm(tapped, "a status", parseStatus(tapped.reply).raftTerm);
  }

  #sent(tapped: Tapped, message: PeerMessage): void {
    switch (message.type) {
      case "request_vote":
        this.#checkTerm(tapped, message.type, message.term);
        // Index 0 cannot win: it tells the term and asks for nothing.
        if (message.lastLogIndex === 0) break;
        this.#checkVote(tapped, message.term, this.#selfAddr);
        this.#checkHeld(tapped, message.type, message.lastLogIndex);
        break;
      case "response_vote":
        this.#checkTerm(tapped, message.type, message.term);
        this.#checkVote(tapped, message.term, tapped.peer);
        break;
      case "append_entries":
      case "append_chunk":
      case "install_snapshot":
        this.#checkTerm(tapped, message.type, message.term);
        this.#checkCommit(tapped, message.term, message.commitIndex);
        break;
      case "timeout_now":
        this.#checkTerm(tapped, message.type, message.term);
        break;
      case "quorate_pre_vote":
        // It asks about the term that the sender would campaign in.
        this.#checkTerm(tapped, message.type, message.term - 1);
        break;
      case "next_node_idx":
        this.#checkHeld(tapped, message.type, message.nextNodeIdx - 1);
        if (message.success) this.#checkConfirmed(tapped, message.nextNodeIdx - 1);
        break;
      case "apply_command_response": {
        if ("error" in message) break;
        const { logIdx: index, logTerm: term, requestId } = message;
        const command = this.#asked.get(`${tapped.connection} ${requestId}`) ?? null;
        this.#checkEntry(tapped, message.type, { index, term, command });
        break;
      }
      default:
        break;
    }
  }

  #checkTerm(tapped: Tapped, what: string, term: number): void {
    const ballot = this.#view.ballot();
    this.#check(tapped, what, ballot.term >= term, `term ${term}, on the disk ${ballot.term}`);
    this.term = Math.max(this.term, term);
  }

  #checkVote(tapped: Tapped, term: number, candidate: string | null): void {
    const ballot = this.#view.ballot();
    const isThere =
      ballot.term > term ||
      (ballot.votedFor !== null && (candidate === null || candidate === ballot.votedFor));
    const said = `${ballot.term} for ${ballot.votedFor}`;
    this.#check(tapped, "a vote", isThere, `term ${term} for ${candidate}, on the disk ${said}`);
    this.votes.set(term, candidate);
  }

  #checkHeld(tapped: Tapped, what: string, index: number): void {
    const { lastIndex } = this.#durableLog(tapped);
    this.#check(tapped, what, lastIndex >= index, `index ${index}, on the disk ${lastIndex}`);
  }

  #checkEntry(tapped: Tapped, what: string, told: ToldEntry): void {
    const { index, term } = told;
    const { entries, dumpIndex } = this.#durableLog(tapped);
    const other = index <= dumpIndex ? null : otherThanTold(told, entries.get(index));
    this.#check(tapped, what, other === null, `entry ${index} of term ${term} is ${other}`);
    this.entries.set(index, told);
  }

  /** What is on the disk; a dump that was not there before is held against the log. */
  #durableLog(tapped: Tapped): DurableLog {
    const log = this.#view.log();
    if (log.dump !== null && log.dump !== this.#judgedDump) {
      this.#judgedDump = log.dump;
      const difference = this.log.differenceOf(log.dump);
      this.#check(tapped, "a dump", difference === null, difference ?? "");
    }
    return log;
  }

  /** The leader takes the answer for everything up to `index`, as it has sent it. */
  #checkConfirmed(tapped: Tapped, index: number): void {
    const received = this.#received.get(tapped.connection) ?? [];
    for (const entry of received) {
      if (entry.index <= index) this.#checkEntry(tapped, "entries confirmed", entry);
    }
    const left = received.filter((entry) => entry.index > index);
    this.#received.set(tapped.connection, left);
  }

  /** A leader's own step: it holds the entries, and so do as many peers as make a majority with it. */
  #checkCommit(tapped: Tapped, term: number, commitIndex: number): void {
    if (term > this.#leadsTerm) {
      this.#leadsTerm = term;
      this.#matches = new Map();
    }
    if (commitIndex <= this.#knownCommit) return;
    this.#knownCommit = commitIndex;
    const { lastIndex, dumpIndex } = this.#durableLog(tapped);
    const holders = [...this.#matches.values()].filter((match) => match >= commitIndex).length;
    const isHeld = lastIndex >= commitIndex && holders + 1 >= this.#majority;
    const said = `up to ${commitIndex}: ${holders} peers, own disk up to ${lastIndex}`;
    this.#check(tapped, "a commit", isHeld, said);
    for (let index = dumpIndex + 1; index <= commitIndex; index++) {
      const told = this.log.entry(index);
      if (told === undefined || this.entries.get(index)?.term === told.term) continue;
      this.#checkEntry(tapped, "entries committed", told);
    }
  }

  #check({ at, peer }: Tapped, what: string, isDurable: boolean, said: string): void {
    this.checked.set(what, (this.checked.get(what) ?? 0) + 1);
    if (!isDurable) this.faults.push(`at ${at} to ${peer}: ${what}: ${said}`);
  }
}
