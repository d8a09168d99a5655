import type { PeerMessage } from "../../../protocol/wire/messages.js";
import { Violation } from "../violation.js";
import type { Checker, MemberView } from "./checker.js";

/**
 * Who has asked the leader for a write learns where its entry stands before it learns that the entry is
 * committed: PySyncObj cannot use an answer that comes later.
 */
export class AnswerFirst implements Checker {
  readonly name = "answer-first";
  /** The highest commit index that each leader has told each receiver. */
  readonly #told = new Map<string, number>();

  sent({ address, life }: MemberView, to: string, message: PeerMessage): void {
    const key = `${address} ${life} ${to}`;
    const told = this.#told.get(key) ?? 0;
    if (message.type === "append_entries" || message.type === "append_chunk") {
      this.#told.set(key, Math.max(told, message.commitIndex));
    } else if (message.type === "apply_command_response" && "logIdx" in message) {
      const { logIdx } = message;
      if (logIdx > told) return;
      const what = `that its entry is ${logIdx} after commit index ${told}`;
      throw new Violation(this.name, `${address} tells ${to} ${what}`);
    }
  }
}
