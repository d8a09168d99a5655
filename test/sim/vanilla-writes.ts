import type { Entry } from "../../protocol/log/entry.js";
import { failReason, type PeerMessage } from "../../protocol/wire/messages.js";

/** Gets one of failReason. */
export type Outcome = (error: number) => void;

/** The writes of a vanilla member's own clients, whose outcome is open. */
export class VanillaWrites {
  /** By log index. */
  readonly #placed = new Map<number, { term: number; done: Outcome }[]>();
  /** By the number of the request to the leader. */
  readonly #asked = new Map<number, Outcome>();
  #lastId = 0;

  /** @returns the number that the leader's answer will name. */
  ask(done: Outcome | null): number {
    this.#lastId += 1;
    if (done !== null) this.#asked.set(this.#lastId, done);
    return this.#lastId;
  }

  replied(message: PeerMessage & { type: "apply_command_response" }, lastApplied: number): void {
    const done = this.#asked.get(message.requestId);
    this.#asked.delete(message.requestId);
    if (done === undefined) return;
    if ("error" in message) done(message.error);
    else if (message.logIdx <= lastApplied) done(failReason.unknownOutcome);
    else this.placed(message.logIdx, message.logTerm, done);
  }

  placed(index: number, term: number, done: Outcome): void {
    const waiting = this.#placed.get(index);
    if (waiting === undefined) this.#placed.set(index, [{ term, done }]);
    else waiting.push({ term, done });
  }

  applied(entry: Entry): void {
    const waiting = this.#placed.get(entry.index) ?? [];
    this.#placed.delete(entry.index);
    for (const { term, done } of waiting) {
      done(term === entry.term ? failReason.success : failReason.discarded);
    }
  }

  leaderChanged(): void {
    const waiting = [...this.#asked.values()];
    this.#asked.clear();
    for (const done of waiting) done(failReason.leaderChanged);
  }
}
