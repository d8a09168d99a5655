import { deriveFernetKey } from "../../protocol/wire/fernet.js";
import type { Running } from "../systems/system.js";
import { heldAfter } from "./following.js";
import { MemberLink } from "./member-link.js";
import type { Scanned } from "./pickle-scan.js";

/**
 * An observer that writes nothing, and notes when the leader lets it hear of itself: whoever waits for longer than its
 * election timeout campaigns. A leader of either program speaks at least every 100 ms.
 */
export class HeartbeatWatch {
  /** Milliseconds between two messages of a leader. */
  readonly gapsMs: number[] = [];
  readonly #links: readonly MemberLink[];
  #lastMs: number | null = null;

  constructor({ members }: Pick<Running, "members">, password: string | null) {
    const key = password === null ? null : deriveFernetKey(password);
    const events = {
      message: (link: MemberLink, message: Scanned) => this.#receive(link, message),
      up: () => {},
      down: () => {},
    };
    this.#links = members.map(({ address }) => new MemberLink(address, key, events));
    for (const link of this.#links) link.dial();
  }

  close(): void {
    for (const link of this.#links) link.close();
  }

  #receive(link: MemberLink, message: Scanned): void {
    if (message.type !== "append_entries") return;
    const nowMs = performance.now();
    if (this.#lastMs !== null) this.gapsMs.push(nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    const nextNodeIdx = heldAfter(message) + 1;
    link.send({ type: "next_node_idx", nextNodeIdx, reset: false, success: true });
  }
}
