import type { PeerMessage } from "../../../protocol/wire/messages.js";
import { Violation } from "../violation.js";
import type { Checker, MemberView } from "./checker.js";

/**
 * A member asks for votes when a majority has said that it would vote: none of these hears a leader then, and
 * whoever comes back unseats nobody. Or when the leader has handed over to it, or one of the members had not said
 * yet that it can be asked: a link begins with that.
 */
export class AskedFirst implements Checker {
  readonly name = "asked-before-campaign";
  /** By candidate and term. */
  readonly #granted = new Map<string, Set<string>>();
  readonly #handed = new Set<string>();
  /** How many had to agree when it began; nobody where not all members were known for such that can be asked. */
  readonly #begun = new Map<string, number>();

  step({ address, raft }: MemberView): void {
    const key = `${address} ${raft.term}`;
    if (raft.role !== "candidate" || this.#begun.has(key)) return;
    const couldAsk = [...raft.members].every((peer) => raft.peers.get(peer)?.isQuorate);
    this.#begun.set(key, couldAsk ? raft.majority : 0);
  }

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

  #look({ address }: MemberView, term: number): void {
    const key = `${address} ${term}`;
    const granted = this.#granted.get(key) ?? new Set();
    const due = this.#begun.get(key) ?? 0;
    if (this.#handed.has(key) || granted.size + 1 >= due) return;
    const who = granted.size === 0 ? "nobody" : `${[...granted]} alone`;
    throw new Violation(
      this.name,
      `${address} campaigns in term ${term}, which ${who} would elect`,
    );
  }
}
