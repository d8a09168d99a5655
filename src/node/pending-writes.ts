import type { Entry } from "../../protocol/log/entry.js";
import type { PyValue } from "../../protocol/pickle/values.js";
import {
  type OutcomeCallback,
  type WriteFailure,
  type WriteOutcome,
  writeFailure,
} from "./write-outcome.js";

/** A command that somebody waits for. */
export interface Write {
  readonly command: Uint8Array;
  /** Milliseconds of the owner's monotonic clock; infinite: never. */
  readonly deadlineMs: number;
  readonly done: OutcomeCallback;
}

/** Where the leader has put a command. */
export interface Place {
  readonly index: number;
  readonly term: number;
}

interface Waiting {
  readonly term: number;
  readonly write: Write;
}

/**
 * The writes whose outcome is open. A write waits for an answer (of the leader, or of our own disk
 * where we lead), which tells its place in the log, and then for the entry that is applied there.
 * Upstream: `__commandsWaitingReply` and `__commandsWaitingCommit` in pysyncobj/syncobj.py.
 */
export class PendingWrites {
  readonly #appliedIndex: () => number;
  #lastId = 0;
  #bytes = 0;
  #size = 0;
  /** Appended here, as the leader: our own disk answers. */
  readonly #appending = new Map<number, Write>();
  /** Sent to the leader. */
  readonly #asked = new Map<number, Write>();
  /** By log index. */
  readonly #placed = new Map<number, Waiting[]>();

  /** @param appliedIndex The entry up to which all entries are applied or being applied. */
  constructor(appliedIndex: () => number) {
    this.#appliedIndex = appliedIndex;
  }

  /** Writes whose outcome is open. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of their commands. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Writes that wait for the leader's answer. */
  get asked(): number {
    return this.#asked.size;
  }

  /** A number that no other request of this object has or had. */
  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  /** To be called before the answer can come. */
  appending(id: number, write: Write): void {
    this.#add(this.#appending, id, write);
  }

  /** To be called before the answer can come. */
  ask(id: number, write: Write): void {
    this.#add(this.#asked, id, write);
  }

  appended(id: number, answer: Place | WriteFailure): void {
    this.#answered(this.#take(this.#appending, id), answer);
  }

  /** An answer to a request that is unknown, or was given up, is nothing. */
  replied(id: number, answer: Place | WriteFailure): void {
    this.#answered(this.#take(this.#asked, id), answer);
  }

  /** The entry is applied: whoever waited for this place learns what came of it. */
  applied(entry: Entry, applied: { readonly result: PyValue }): void {
    if (this.#placed.size === 0) return;
    const waiting = this.#placed.get(entry.index);
    if (waiting === undefined) return;
    const { result } = applied;
    this.#placed.delete(entry.index);
    for (const { term, write } of waiting) {
      this.#forget(write);
      const { index } = entry;
      // Members that forgot their term give the same index and term away twice.
      const isOurs = term === entry.term && sameBytes(write.command, entry.command);
      write.done(isOurs ? { ok: true, error: 0, result, index, term } : writeFailure("DISCARDED"));
    }
  }

  /** No entry is applied for now: what becomes of those that wait for theirs is not known here. */
  notApplied(message: string): void {
    const over = [...this.#placed.values()].flat();
    this.#placed.clear();
    for (const { write } of over) this.#end(write, writeFailure("UNKNOWN_OUTCOME", message));
  }

  /** A dump has replaced the log up to here: what was waited for may or may not be in it. */
  appliedByDump(index: number): void {
    for (const [place, waiting] of this.#placed) {
      if (place > index) continue;
      this.#placed.delete(place);
      for (const { write } of waiting) this.#end(write, writeFailure("UNKNOWN_OUTCOME"));
    }
  }

  /** Answers of the old leader will not come any more. Upstream: SyncObj.__onLeaderChanged. */
  leaderChanged(): void {
    const waiting = [...this.#asked.values()];
    this.#asked.clear();
    for (const write of waiting) this.#end(write, writeFailure("LEADER_CHANGED"));
  }

  /** Gives up what has waited too long. Costs what is open. */
  expire(nowMs: number): void {
    this.#giveUp((write) => write.deadlineMs <= nowMs, writeFailure("TIMEOUT"));
  }

  close(): void {
    this.#giveUp(() => true, writeFailure("CLOSED"));
  }

  #answered(write: Write | null, answer: Place | WriteFailure): void {
    if (write === null) return;
    if ("ok" in answer) {
      this.#end(write, answer);
      return;
    }
    const { index, term } = answer;
    if (index <= this.#appliedIndex()) {
      // The place was passed before: ours, or another's entry, or one of a dump.
      this.#end(write, writeFailure("UNKNOWN_OUTCOME"));
      return;
    }
    const waiting = this.#placed.get(index);
    if (waiting === undefined) this.#placed.set(index, [{ term, write }]);
    else waiting.push({ term, write });
  }

  #giveUp(isOver: (write: Write) => boolean, failure: WriteFailure): void {
    const over: Write[] = [];
    for (const writes of [this.#appending, this.#asked]) {
      for (const [id, write] of writes) {
        if (!isOver(write)) continue;
        writes.delete(id);
        over.push(write);
      }
    }
    for (const [index, waiting] of this.#placed) {
      const left = waiting.filter(({ write }) => !isOver(write));
      if (left.length === waiting.length) continue;
      for (const { write } of waiting) if (isOver(write)) over.push(write);
      if (left.length === 0) this.#placed.delete(index);
      else this.#placed.set(index, left);
    }
    for (const write of over) this.#end(write, failure);
  }

  #add(writes: Map<number, Write>, id: number, write: Write): void {
    writes.set(id, write);
    this.#size += 1;
    this.#bytes += write.command.length;
  }

  #take(writes: Map<number, Write>, id: number): Write | null {
    const write = writes.get(id);
    if (write === undefined) return null;
    writes.delete(id);
    return write;
  }

  #end(write: Write, outcome: WriteOutcome): void {
    this.#forget(write);
    write.done(outcome);
  }

  #forget(write: Write): void {
    this.#size -= 1;
    this.#bytes -= write.command.length;
  }
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left === right || Buffer.compare(left, right) === 0;
}
