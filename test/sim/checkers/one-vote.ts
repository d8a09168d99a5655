import type { PeerMessage } from "../../../protocol/wire/messages.js";
import { Violation } from "../violation.js";
import type { Checker, MemberView } from "./checker.js";

/** 6. At most one vote a term, across any crash. To ask for votes is to have voted for oneself. */
export class OneVoteATerm implements Checker {
  readonly name = "one-vote-a-term";
  readonly #votes = new Map<string, string>();

  sent({ address }: MemberView, to: string, message: PeerMessage): void {
    if (message.type === "response_vote") this.#vote(address, message.term, to);
    // A term beacon names a log position that cannot win, and votes for nobody.
    if (message.type === "request_vote" && message.lastLogIndex > 0) {
      this.#vote(address, message.term, address);
    }
  }

  lostDisk(address: string): void {
    for (const key of [...this.#votes.keys()]) {
      if (key.startsWith(`${address} `)) this.#votes.delete(key);
    }
  }

  #vote(by: string, term: number, candidate: string): void {
    const key = `${by} ${term}`;
    const before = this.#votes.get(key);
    this.#votes.set(key, candidate);
    if (before === undefined || before === candidate) return;
    throw new Violation(
      this.name,
      `${by} votes for ${before} and for ${candidate} in term ${term}`,
    );
  }
}
