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

  sent(from: MemberView, to: string, message: PeerMessage): void {
    const term = termOf(message);
    if (term > 0) this.#checkTerm(from, to, message, term);
    if (message.type !== "next_node_idx" || !message.success) return;
    const confirmed = message.nextNodeIdx - 1;
    const last = from.durable.lastIndex();
    if (confirmed > last)
      this.#fail(from, `confirms ${confirmed} to ${to}, its disk ends at ${last}`);
  }

  #checkTerm(from: MemberView, to: string, message: PeerMessage, term: number): void {
    const durable = from.durable.meta();
    // Entries vouch for their terms as well: a start takes the highest.
    const entryTerm = from.durable.journal().terms.reduce((a, b) => Math.max(a, b), 0);
    if (term > Math.max(durable.term, entryTerm)) {
      this.#fail(from, `shows ${to} term ${term}, its disk has ${durable.term}`);
    }
    if (message.type !== "response_vote") return;
    if (durable.term < term || (durable.term === term && durable.votedFor !== to)) {
      this.#fail(from, `votes for ${to} in ${term}, its disk has ${durable.votedFor}`);
    }
  }

  #fail({ address }: MemberView, what: string): never {
    throw new Violation(this.name, `${address} ${what}`);
  }
}
