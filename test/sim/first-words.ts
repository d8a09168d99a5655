import type { PeerMessage } from "../../protocol/wire/messages.js";
import { raftLimits } from "../../src/raft/limits.js";
import type { MemberView } from "./checkers/checker.js";
import type { Bench } from "./judge.js";
import { Violation } from "./violation.js";

/** A write that a client was told of as done. */
interface Kept {
  readonly index: number;
  readonly term: number;
  readonly command: Uint8Array;
}

interface Known {
  readonly kept: readonly Kept[];
  readonly bench: Bench;
}

/**
 * A leader's first message on a new link that a vanilla member compares with its log: it cuts whatever
 * stands behind the place where they meet. None of that may be what was acknowledged, the leader lacks, and
 * a majority holds: another leader has put it there while this one was away, and it could have asked. But
 * where vanilla members have first cut, and replaced, what this leader knows as committed, either is lost.
 */
export class FirstWords {
  readonly #fresh = new Set<string>();

  linked(address: string, peer: string): void {
    this.#fresh.add(`${address} ${peer}`);
  }

  sent(from: MemberView, to: string, message: PeerMessage, { kept, bench }: Known): void {
    if (message.type !== "append_entries" && message.type !== "append_chunk") return;
    const { prevLogIdx, prevLogTerm } = message;
    if (prevLogIdx === null || prevLogIdx === raftLimits.unreachableIndex) return;
    const { address, raft } = from;
    if (!this.#fresh.delete(`${address} ${to}`)) return;
    const receiver = [...bench.standings()].find((each) => each.address === to);
    if (receiver?.kind !== "vanilla" || receiver.term > message.term) return;
    if (receiver.entryAt(prevLogIdx)?.term !== prevLogTerm) return;
    // It lacks what is committed here as well: one of the two has to drop something, whoever leads.
    const { commitIndex, log } = raft;
    if (receiver.entryAt(commitIndex)?.term !== log.termAt(commitIndex)) return;
    for (const { index, term, command } of kept) {
      if (index <= prevLogIdx || receiver.entryAt(index)?.term !== term) continue;
      const ours = raft.log.holds(index) ? raft.log.at(index).command : null;
      if (ours !== null && Buffer.compare(ours, command) === 0) continue;
      if (2 * bench.holders(index, term).length <= bench.size) continue;
      const what = `makes ${to} cut ${index}/${term}, acknowledged`;
      throw new Violation(
        "acknowledged-stays",
        `${address}, back as the leader of term ${raft.term}, ${what}`,
      );
    }
  }
}
