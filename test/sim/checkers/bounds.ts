import { commandType } from "../../../protocol/log/commands.js";
import { nodeLimits } from "../../../src/node/limits.js";
import { raftLimits } from "../../../src/raft/limits.js";
import { heldBytes, type RaftLog } from "../../../src/raft/raft-log.js";
import { Violation } from "../violation.js";
import type { Checker, MemberView } from "./checker.js";

/** What a member holds. */
export interface Bounds {
  /** `quorate.max_data_bytes`. */
  readonly dataBytesMax: number;
  readonly logBytesMax: number;
}

/**
 * 10. Where all members are ours the data stay below what a member holds, so that none is ever held back; and no
 * log is longer than docs/security.md says, but for the first entries of leaders.
 */
export class WithinBounds implements Checker {
  readonly name = "within-bounds";
  readonly #dataBytesMax: number;
  readonly #logBytesMax: number;

  constructor({ dataBytesMax, logBytesMax }: Bounds) {
    this.#dataBytesMax = dataBytesMax * nodeLimits.takenShare;
    this.#logBytesMax = logBytesMax * raftLimits.logSpareFactor;
  }

  step({ address, raft, store }: MemberView): void {
    if (raft.isHeldBack) throw new Violation(this.name, `${address} is held back`);
    if (store.bytes > this.#dataBytesMax) {
      throw new Violation(this.name, `${address} holds ${store.bytes} bytes of data`);
    }
    if (raft.log.bytes <= this.#logBytesMax) return;
    const bytes = bytesOfWrites(raft.log);
    if (bytes <= this.#logBytesMax) return;
    throw new Violation(this.name, `${address} holds ${bytes} bytes of writes in its log`);
  }
}

export function bytesOfWrites(log: RaftLog): number {
  return log
    .slice(log.firstIndex, log.lastIndex)
    .filter(({ command }) => command[0] === commandType.regular)
    .reduce((sum, entry) => sum + heldBytes(entry), 0);
}
