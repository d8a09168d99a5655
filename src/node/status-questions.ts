import { nodeLimits } from "./limits.js";

/**
 * Questions for a peer's state. Each is a connection of its own, and a forged candidate could have one asked with
 * each of its messages: of those that come while a few are under way the latest alone is asked, once one of these
 * has ended. Its answer is good for all before it: whatever waits for an earlier question takes a later one's as well.
 */
export class StatusQuestions<T> {
  readonly #dial: (peer: string) => Promise<T | null>;
  readonly #answered: (peer: string, question: number, answer: T | null) => void;
  /** How many are under way to each peer, and the latest that waits. */
  readonly #open = new Map<string, { count: number; waiting: number | null }>();

  /** @param dial Gives null, or rejects, where no answer came. */
  constructor(
    dial: (peer: string) => Promise<T | null>,
    answered: (peer: string, question: number, answer: T | null) => void,
  ) {
    this.#dial = dial;
    this.#answered = answered;
  }

  ask(peer: string, question: number): void {
    const open = this.#open.get(peer) ?? { count: 0, waiting: null };
    this.#open.set(peer, open);
    if (open.count >= nodeLimits.statusAsksMax) {
      open.waiting = Math.max(open.waiting ?? 0, question);
      return;
    }
    open.count += 1;
    const ended = (answer: T | null) => {
      open.count -= 1;
      const { waiting } = open;
      open.waiting = null;
      if (open.count === 0) this.#open.delete(peer);
      this.#answered(peer, question, answer);
      if (waiting !== null) this.ask(peer, waiting);
    };
    this.#dial(peer).then(ended, () => ended(null));
  }
}
