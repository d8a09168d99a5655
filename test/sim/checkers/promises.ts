import type { PeerMessage } from "../../../protocol/wire/messages.js";
import { Violation } from "../violation.js";
import type { Checker, MemberView } from "./checker.js";

/** What a member has told a leader that it holds. */
interface Promised {
  index: number;
  /** Of each entry up to there: what stands before one that was replaced may be replaced as well. */
  readonly terms: Map<number, number>;
}

/**
 * What 4 and 9 rest on: an entry that a member has confirmed is there after any crash, unless a
 * leader has had it replaced since.
 */
export class ConfirmedIsKept implements Checker {
  readonly name = "confirmed-is-kept";
  readonly #isStrict: boolean;
  readonly #promised = new Map<string, Promised>();

  /** @param isStrict No leader has lost what it knew: its dump may otherwise end before our log does. */
  constructor(isStrict: boolean) {
    this.#isStrict = isStrict;
  }

  sent(from: MemberView, _to: string, message: PeerMessage): void {
    if (message.type !== "next_node_idx" || !message.success) return;
    const index = message.nextNodeIdx - 1;
    const before = this.#promised.get(from.address);
    if (before !== undefined && before.index >= index) return;
    const promised = before ?? { index: 0, terms: new Map<number, number>() };
    for (let at = Math.max(promised.index + 1, from.raft.log.firstIndex); at <= index; at += 1) {
      // In memory another entry may have taken its place already.
      const term = from.durable.termAt(at) ?? from.raft.log.termAt(at);
      if (term !== null) promised.terms.set(at, term);
    }
    promised.index = index;
    this.#promised.set(from.address, promised);
  }

  step({ address, raft }: MemberView): void {
    const promised = this.#promised.get(address);
    if (promised === undefined) return;
    const before = promised.index;
    // Replaced: what is promised is what stands before that.
    while (promised.index >= raft.log.firstIndex) {
      const term = promised.terms.get(promised.index);
      if (term === undefined || raft.log.termAt(promised.index) === term) break;
      promised.index -= 1;
    }
    const first = promised.index + 1;
    const isCut = first <= before && promised.index === raft.log.lastIndex;
    if (!isCut || !this.#isStrict) return;
    const what = `has confirmed entries ${first}…${before}, and has none in their place`;
    throw new Violation(this.name, `${address} ${what}`);
  }

  started({ address, raft }: MemberView): void {
    const promised = this.#promised.get(address);
    if (promised === undefined || promised.index < raft.log.firstIndex) return;
    const term = promised.terms.get(promised.index);
    if (term === undefined || raft.log.termAt(promised.index) === term) return;
    throw new Violation(
      this.name,
      `${address} has confirmed entry ${promised.index} of term ${term}, starts with ` +
        `${raft.log.firstIndex}…${raft.log.lastIndex} and term ${raft.log.termAt(promised.index)} there`,
    );
  }

  lostDisk(address: string): void {
    this.#promised.delete(address);
  }
}
