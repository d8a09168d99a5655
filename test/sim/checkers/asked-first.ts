import type { PeerMessage } from "../../../protocol/wire/messages.js";
import { Violation } from "../violation.js";
import type { Checker, MemberView } from "./checker.js";

/**
 * A member asks for votes when a majority has said that it would vote: none of these hears a leader then, and
 * whoever comes back unseats nobody. Or when the leader has handed over to it.
 */
export class AskedFirst implements Checker {
  readonly name = "asked-before-campaign";
  /** By candidate and term. */
  readonly #granted = new Map<string, Set<string>>();
  readonly #handed = new Set<string>();

  sent(from: MemberView, to: string, message: PeerMessage): void {
    if (message.type === "quorate_pre_vote_answer" && message.granted) {
      const key = `${to} ${message.term}`;
      const granted = this.#granted.get(key) ?? new Set();
      this.#granted.set(key, granted.add(from.address));
    } else if (message.type === "timeout_now") this.#handed.add(`${to} ${message.term + 1}`);
    // A term beacon names a log position that cannot win.
    else if (message.type === "request_vote" && message.lastLogIndex > 0) {
      this.#look(from, message.term);
    }
  }

  #look({ address, raft }: MemberView, term: number): void {
    const key = `${address} ${term}`;
    const granted = this.#granted.get(key) ?? new Set();
    if (this.#handed.has(key) || granted.size + 1 >= raft.majority) return;
    const who = granted.size === 0 ? "nobody" : `${[...granted]} alone`;
    throw new Violation(
      this.name,
      `${address} campaigns in term ${term}, which ${who} would elect`,
    );
  }
}
