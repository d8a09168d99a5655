import type { PeerMessage } from "../../../protocol/wire/messages.js";
import { Violation } from "../violation.js";
import type { Checker, MemberView } from "./checker.js";
import { termOf } from "./terms.js";

/**
 * The one safe order: a message that shows a term, a vote or an entry leaves only when a loss of
 * power in that moment would leave it. Read from the disk itself, past the member.
 */
export class DurableBeforeSent implements Checker {
  readonly name = "durable-before-sent";
  /** By leader and member, then by index: of which terms the leader has told it entries. */
  readonly #told = new Map<string, Map<number, Set<number>>>();

  /** A member confirms what its leader has told it: only its own log says of which term that is. */
  received({ address }: MemberView, from: string, message: PeerMessage): void {
    if (message.type !== "append_entries") return;
    const { prevLogIdx, prevLogTerm, entries } = message;
    if (prevLogIdx !== null && prevLogTerm !== null) {
      this.#tell(from, address, prevLogIdx, prevLogTerm);
    }
    for (const { index, term } of entries) this.#tell(from, address, index, term);
  }

  sent(from: MemberView, to: string, message: PeerMessage): void {
    const term = termOf(message);
    if (term > 0) this.#checkTerm(from, to, message, term);
    if (message.type === "next_node_idx" && message.success) {
      this.#checkConfirmed(from, to, message.nextNodeIdx - 1);
    }
    if (message.type === "apply_command_response" && "logIdx" in message) {
      this.#checkEntry(from, message.logIdx, message.logTerm, `tells ${to} of`);
    }
  }

  #checkTerm(from: MemberView, to: string, message: PeerMessage, term: number): void {
    const durable = from.durable.meta();
    // Entries vouch for their terms as well: a start takes the highest.
    const entryTerm = from.durable.journal().terms.reduce((a, b) => Math.max(a, b), 0);
    if (term > Math.max(durable.term, entryTerm)) {
      this.#fail(from, `shows ${to} term ${term}, its disk has ${durable.term}`);
    }
    const candidate = candidateOf(from, to, message);
    if (candidate === null) return;
    if (durable.term < term || (durable.term === term && durable.votedFor !== candidate)) {
      this.#fail(from, `votes for ${candidate} in ${term}, its disk has ${durable.votedFor}`);
    }
  }

  #checkConfirmed(from: MemberView, to: string, index: number): void {
    const last = from.durable.lastIndex();
    if (index > last) this.#fail(from, `confirms ${index} to ${to}, its disk ends at ${last}`);
    const told = this.#told.get(`${to} ${from.address}`)?.get(index);
    const term = from.raft.log.termAt(index);
    if (told === undefined || term === null || !told.has(term)) return;
    // An earlier entry of the same leader's may be the one that is confirmed.
    if (told.has(from.durable.termAt(index) ?? term)) return;
    this.#checkEntry(from, index, term, `confirms to ${to}`);
  }

  /** Where the member has another entry there by now, a leader has had this one replaced. */
  #checkEntry(from: MemberView, index: number, term: number, how: string): void {
    if (from.durable.holds(index, term) || from.raft.log.termAt(index) !== term) return;
    const held = from.durable.termAt(index);
    this.#fail(from, `${how} entry ${index} of term ${term}, its disk has one of term ${held}`);
  }

  #tell(leader: string, member: string, index: number, term: number): void {
    const key = `${leader} ${member}`;
    const told = this.#told.get(key) ?? new Map<number, Set<number>>();
    this.#told.set(key, told);
    const terms = told.get(index);
    if (terms === undefined) told.set(index, new Set([term]));
    else terms.add(term);
  }

  #fail({ address }: MemberView, what: string): never {
    throw new Violation(this.name, `${address} ${what}`);
  }
}

/** Whom the message is a vote for: who asks for votes has voted for itself. */
function candidateOf(from: MemberView, to: string, message: PeerMessage): string | null {
  if (message.type === "response_vote") return to;
  // A term beacon names a log position that cannot win.
  if (message.type === "request_vote" && message.lastLogIndex > 0) return from.address;
  return null;
}
