import type { PeerMessage } from "../../../protocol/wire/messages.js";
import { Violation } from "../violation.js";
import type { Checker, MemberView } from "./checker.js";

/** 5. The term never goes back, across any crash, below one that the member has shown. */
export class TermsNeverGoBack implements Checker {
  readonly name = "term-never-back";
  readonly #shown = new Map<string, number>();
  readonly #held = new Map<string, { life: number; term: number }>();

  started(member: MemberView): void {
    const shown = this.#shown.get(member.address) ?? 0;
    if (member.raft.term >= shown) return;
    throw new Violation(
      this.name,
      `${member.address} starts in term ${member.raft.term} and has shown ${shown}`,
    );
  }

  step({ address, life, raft }: MemberView): void {
    const held = this.#held.get(address);
    if (held?.life === life && raft.term < held.term) {
      throw new Violation(this.name, `${address} went from term ${held.term} to ${raft.term}`);
    }
    this.#held.set(address, { life, term: raft.term });
  }

  sent(from: MemberView, _to: string, message: PeerMessage): void {
    const term = termOf(message);
    this.#shown.set(from.address, Math.max(term, this.#shown.get(from.address) ?? 0));
  }

  lostDisk(address: string): void {
    this.#shown.delete(address);
  }
}

/** The sender's own term, where the message shows it. A pre-vote speaks of one that may never come. */
export function termOf(message: PeerMessage): number {
  if (message.type === "quorate_pre_vote" || message.type === "quorate_pre_vote_answer") return 0;
  return "term" in message ? message.term : 0;
}
