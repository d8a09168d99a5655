import { ProtocolError } from "../../protocol/errors.js";
import type { Entry } from "../../protocol/log/entry.js";
import { EntryPieces } from "../../protocol/wire/entry-pieces.js";
import type {
  AppendChunk,
  AppendEntries,
  InstallSnapshot,
  NextNodeIdx,
  SnapshotChunk,
} from "../../protocol/wire/messages.js";
import { clientLimits } from "./limits.js";
import { TermRuns } from "./term-runs.js";

export type FromLeader = AppendEntries | AppendChunk | InstallSnapshot;

/** What following the log leads to. */
export interface FollowerHost {
  answer(to: string, message: NextNodeIdx): void;
  /** The next committed entry. */
  apply(entry: Entry): void;
  leaderChanged(leader: string | null): void;
  /** A piece of the leader's dump. */
  snapshotChunk(from: string, chunk: SnapshotChunk): void;
  /** Committed entries are not what they were: everything from the start again, on an empty store. */
  startedOver(reason: string): void;
  warn(message: string): void;
}

/** A dump that was read, as far as the log goes. */
export interface DumpPlace {
  readonly previous: { readonly index: number; readonly term: number };
  readonly last: { readonly index: number; readonly term: number };
}

interface Transmission {
  readonly from: string;
  readonly pieces: EntryPieces;
}

/**
 * An observer's place in the log: it takes what the leader sends, as vanilla's observers do
 * (`SyncObj.__onMessageReceived` in pysyncobj/syncobj.py), and votes for nobody. Of what is applied
 * it keeps the terms alone.
 */
export class LogFollower {
  readonly #host: FollowerHost;
  #term = 0;
  #leader: string | null = null;
  /** Of all entries held, applied or not. */
  #terms = new TermRuns(1, 0);
  /** Entries that are not applied yet. */
  #tail: Entry[] = [];
  #applied = 1;
  /** What the leader says is committed; null until one has spoken. */
  #leaderCommit: number | null = null;
  #transmission: Transmission | null = null;
  /** All of a dump has come from this leader, and is being read. */
  #loadingFrom: string | null = null;
  #nullsInARow = 0;

  constructor(host: FollowerHost) {
    this.#host = host;
  }

  get term(): number {
    return this.#term;
  }

  get leader(): string | null {
    return this.#leader;
  }

  get appliedIndex(): number {
    return this.#applied;
  }

  /**
   * Whether all is applied that the leader has committed. It knows that itself only once an entry of
   * its own term is: before, the commit index that it tells can be far behind.
   */
  get isCaughtUp(): boolean {
    if (this.#leaderCommit === null || this.#applied < this.#leaderCommit) return false;
    return this.#terms.termAt(this.#applied) === this.#term;
  }

  /** The link to a member is gone, or it has fallen silent. */
  lost(member: string): void {
    if (member === this.#leader) this.#setLeader(null);
  }

  /** A majority has forgotten its terms (PySyncObj up to 0.3.15 does): follow it all the same. */
  lowerTerm(term: number): void {
    this.#host.warn(`the cluster is at term ${term} again, after ${this.#term}`);
    this.#term = term;
  }

  take(from: string, message: FromLeader): void {
    if (!this.#acceptLeader(from, message.term)) return;
    // A dump is on its way: until it is read, and the next entries tell, we are behind.
    this.#leaderCommit = message.type === "install_snapshot" ? null : message.commitIndex;
    switch (message.type) {
      case "append_entries":
        this.#takeEntries(from, message);
        break;
      case "append_chunk":
        this.#takePiece(from, message);
        break;
      case "install_snapshot":
        this.#takeSnapshot(from, message);
        break;
    }
  }

  /**
   * A dump of the leader is read. True: it takes the place of the log, and the caller puts its store
   * in the place of the old one before anything else is taken. False: it brings nothing.
   */
  dumpRead(from: string, { previous, last }: DumpPlace): boolean {
    this.#loadingFrom = null;
    if (from !== this.#leader) return false;
    if (last.index <= this.#applied && this.#terms.termAt(last.index) === last.term) {
      this.#answer(from, { next: last.index + 1, reset: false, success: true });
      return false;
    }
    this.#terms = new TermRuns(previous.index, previous.term);
    this.#terms.append(last.term);
    this.#tail = [];
    this.#applied = last.index;
    this.#answer(from, { next: last.index + 1, reset: false, success: true });
    return true;
  }

  /** The dump was none, or is not wanted: the leader's next message asks for it again. */
  dumpFailed(): void {
    this.#loadingFrom = null;
  }

  #acceptLeader(from: string, term: number): boolean {
    if (term < this.#term) return false;
    if (term === this.#term && this.#leader !== null && this.#leader !== from) {
      this.#host.warn(`${from} claims to lead term ${term}, which ${this.#leader} leads: ignored`);
      return false;
    }
    this.#term = term;
    if (this.#leader !== from) this.#setLeader(from);
    return true;
  }

  #setLeader(leader: string | null): void {
    this.#leader = leader;
    this.#transmission = null;
    this.#loadingFrom = null;
    this.#nullsInARow = 0;
    this.#host.leaderChanged(leader);
  }

  #takeEntries(from: string, message: AppendEntries): void {
    const { prevLogIdx, prevLogTerm } = message;
    if (this.#loadingFrom !== null) {
      // What comes now comes again: the answer to the dump says where to go on.
      this.#answer(from, { next: this.#terms.last + 1, reset: false, success: false });
      return;
    }
    if (prevLogIdx === null) {
      this.#leaderIsShorter(from);
      return;
    }
    this.#nullsInARow = 0;
    const term = this.#terms.termAt(prevLogIdx);
    if (term === null) {
      this.#answer(from, { next: this.#terms.last + 1, reset: true, success: false });
    } else if (term !== prevLogTerm) {
      this.#conflictAt(from, prevLogIdx);
    } else {
      this.#append(from, prevLogIdx, message);
    }
  }

  /** Its log ends before what we have asked for. */
  #leaderIsShorter(from: string): void {
    this.#nullsInARow += 1;
    if (this.#tail.length === 0 && this.#nullsInARow > 1) {
      this.#startOver(from, "the leader's log ends before what was committed");
      return;
    }
    this.#dropTail(this.#applied);
    this.#answer(from, { next: this.#applied + 1, reset: true, success: false });
  }

  #conflictAt(from: string, index: number): void {
    if (index === 1) {
      // Nothing before it to compare: only a dump can help, and for this a vanilla leader sends one.
      this.#answer(from, { next: 1, reset: true, success: false });
    } else if (index <= this.#applied) {
      this.#startOver(from, `entry ${index}, committed before, has another term now`);
    } else {
      const start = Math.max(this.#terms.startOfRun(index), this.#applied + 1);
      this.#answer(from, { next: start, reset: true, success: false });
    }
  }

  #append(from: string, prevLogIdx: number, { entries, commitIndex }: AppendEntries): void {
    for (const [at, entry] of entries.entries()) {
      if (entry.index !== prevLogIdx + 1 + at) {
        this.#host.warn(`${from} sent entries that do not follow on each other`);
        return;
      }
      const term = this.#terms.termAt(entry.index);
      if (term === entry.term) continue;
      if (entry.index <= this.#applied) {
        this.#startOver(from, `entry ${entry.index}, committed before, is another one now`);
        return;
      }
      if (term !== null) this.#dropTail(entry.index - 1);
      this.#tail.push(entry);
      this.#terms.append(entry.term);
    }
    const verified = prevLogIdx + entries.length;
    this.#answer(from, { next: verified + 1, reset: false, success: true });
    this.#applyTo(Math.min(commitIndex, verified));
  }

  #applyTo(index: number): void {
    const ready = this.#tail.splice(0, Math.max(0, index - this.#applied));
    for (const entry of ready) {
      this.#applied = entry.index;
      this.#host.apply(entry);
    }
  }

  /** Forgets all entries after `index`, which is not before the last one applied. */
  #dropTail(index: number): void {
    this.#tail = this.#tail.slice(0, index - this.#applied);
    this.#terms.truncateAfter(index);
  }

  #startOver(from: string, reason: string): void {
    this.#terms = new TermRuns(1, 0);
    this.#tail = [];
    this.#applied = 1;
    this.#nullsInARow = 0;
    this.#host.startedOver(reason);
    this.#answer(from, { next: 2, reset: true, success: false });
  }

  #takePiece(from: string, message: AppendChunk): void {
    if (message.transmission === "start") {
      this.#transmission = { from, pieces: new EntryPieces(clientLimits.entryBytesMax) };
    }
    const open = this.#transmission;
    if (open === null || open.from !== from || this.#loadingFrom !== null) {
      const isLoading = this.#loadingFrom !== null;
      this.#answer(from, { next: this.#terms.last + 1, reset: !isLoading, success: false });
      return;
    }
    const entry = this.#entryOf(open, message);
    if (entry === null) {
      // Vanilla marks two pieces `finish` where the pickle is longer than the command: wait for more.
      this.#answer(from, { next: this.#terms.last + 1, reset: false, success: false });
      return;
    }
    this.#transmission = null;
    this.#takeEntries(from, { ...message, type: "append_entries", entries: [entry] });
  }

  /** The entry that the pieces make, or null where they do not make one (yet). */
  #entryOf({ from, pieces }: Transmission, { data, transmission }: AppendChunk): Entry | null {
    try {
      pieces.add(data);
      if (pieces.isTooLarge) this.#transmission = null;
      return transmission === "finish" ? pieces.finish() : null;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#transmission = null;
      this.#host.warn(`${from} sent a large entry that is none: ${error.message}`);
      return null;
    }
  }

  #takeSnapshot(from: string, { chunk }: InstallSnapshot): void {
    if (chunk === null || this.#loadingFrom !== null) return;
    if (chunk.isLast) this.#loadingFrom = from;
    this.#host.snapshotChunk(from, chunk);
  }

  #answer(
    to: string,
    { next, reset, success }: { next: number; reset: boolean; success: boolean },
  ): void {
    this.#host.answer(to, { type: "next_node_idx", nextNodeIdx: next, reset, success });
  }
}
