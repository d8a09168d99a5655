import type { Entry } from "../../protocol/log/entry.js";
import { decodeEntryTuple } from "../../protocol/wire/message-codec.js";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import { parseStatus } from "../../protocol/wire/utility.js";
import type { DurableView } from "./durable-view.js";
import type { Tapped } from "./wire-tap.js";

/** What the others may rely on from a moment on, because the member has told them. */
export interface Revealed {
  /** The highest term told. */
  readonly term: number;
  /** Whom the member has voted for, by term; null where the message did not say whom. */
  readonly votes: ReadonlyMap<number, string | null>;
  /** Terms of the entries that it has confirmed to hold, by index. */
  readonly entries: ReadonlyMap<number, number>;
}

/** Entries of one leader that are not confirmed yet. */
interface Received {
  entries: Entry[];
  pieces: Uint8Array[];
}

/**
 * Follows what a traced member sends and receives, and holds each message that it sends against what
 * was durable when the send began. A fault is a line that names the message.
 */
export class Revealing implements Revealed {
  term = 0;
  readonly votes = new Map<number, string | null>();
  readonly entries = new Map<number, number>();
  readonly faults: string[] = [];
  /** How many messages of a kind were held against the disk. */
  readonly checked = new Map<string, number>();
  readonly #selfAddr: string;
  readonly #view: DurableView;
  readonly #majority: number;
  readonly #received = new Map<number, Received>();
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
    this.#matches.clear();
    this.#leadsTerm = 0;
  }

  take(tapped: Tapped): void {
    const { message, direction } = tapped;
    if (direction === "received") {
      if (message !== null) this.#heard(tapped, message);
    } else if (message === null) this.#replied(tapped);
    else this.#sent(tapped, message);
  }

  #heard({ connection, peer }: Tapped, message: PeerMessage): void {
    switch (message.type) {
      case "append_entries":
        this.#toConfirm(connection, message.entries);
        this.#knownCommit = Math.max(this.#knownCommit, message.commitIndex);
        break;
      case "append_chunk": {
        const received = this.#of(connection);
        if (message.transmission === "start") received.pieces = [];
        received.pieces.push(message.data);
        if (message.transmission === "finish") {
          this.#toConfirm(connection, [decodeEntryTuple(Buffer.concat(received.pieces))]);
        }
        break;
      }
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
    this.#of(connection).entries.push(...entries);
    const conflict = entries.find(({ index, term }) => {
      const confirmed = this.entries.get(index);
      return confirmed !== undefined && confirmed !== term;
    });
    if (conflict === undefined) return;
    for (const index of [...this.entries.keys()]) {
      if (index >= conflict.index) this.entries.delete(index);
    }
  }

  #of(connection: number): Received {
    const known = this.#received.get(connection) ?? { entries: [], pieces: [] };
    this.#received.set(connection, known);
    return known;
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
      case "apply_command_response":
        if ("error" in message) break;
        this.#checkEntry(tapped, message.type, { index: message.logIdx, term: message.logTerm });
        break;
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
    const { lastIndex } = this.#view.log();
    this.#check(tapped, what, lastIndex >= index, `index ${index}, on the disk ${lastIndex}`);
  }

  #checkEntry(
    tapped: Tapped,
    what: string,
    { index, term }: { index: number; term: number },
  ): void {
    const { entries, dumpIndex } = this.#view.log();
    const held = index <= dumpIndex || entries.get(index)?.term === term;
    this.#check(tapped, what, held, `entry ${index} of term ${term} is not on the disk`);
    this.entries.set(index, term);
  }

  /** The leader takes the answer for everything up to `index`, as it has sent it. */
  #checkConfirmed(tapped: Tapped, index: number): void {
    const received = this.#of(tapped.connection);
    for (const entry of received.entries) {
      if (entry.index <= index) this.#checkEntry(tapped, "entries confirmed", entry);
    }
    received.entries = received.entries.filter((entry) => entry.index > index);
  }

  /** A leader's own step: it holds the entries, and so do as many peers as make a majority with it. */
  #checkCommit(tapped: Tapped, term: number, commitIndex: number): void {
    if (term > this.#leadsTerm) {
      this.#leadsTerm = term;
      this.#matches = new Map();
    }
    if (commitIndex <= this.#knownCommit) return;
    this.#knownCommit = commitIndex;
    const { lastIndex, entries, dumpIndex } = this.#view.log();
    const holders = [...this.#matches.values()].filter((match) => match >= commitIndex).length;
    const isHeld = lastIndex >= commitIndex && holders + 1 >= this.#majority;
    const said = `up to ${commitIndex}: ${holders} peers, own disk up to ${lastIndex}`;
    this.#check(tapped, "a commit", isHeld, said);
    for (let index = dumpIndex + 1; index <= commitIndex; index++) {
      const entry = entries.get(index);
      if (entry !== undefined) this.entries.set(index, entry.term);
    }
  }

  #check({ at, peer }: Tapped, what: string, isDurable: boolean, said: string): void {
    this.checked.set(what, (this.checked.get(what) ?? 0) + 1);
    if (!isDurable) this.faults.push(`at ${at} to ${peer}: ${what}: ${said}`);
  }
}
