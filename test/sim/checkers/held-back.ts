import { nodeLimits } from "../../../src/node/limits.js";
import { raftLimits } from "../../../src/raft/limits.js";
import type { Store } from "../../../src/store/store.js";
import { Violation } from "../violation.js";
import { bytesOfWrites } from "./bounds.js";
import type { Checker, MemberView } from "./checker.js";

/** A member that does not apply all that is committed. */
interface Held {
  readonly life: number;
  readonly store: Store;
  readonly appliedIndex: number | null;
}

/**
 * Beside vanilla leaders, who know no bounds, members of ours come to theirs. Then they are held back: for a reason,
 * with all that is committed in their logs, as followers. Neither data nor log ever grow beyond what docs/security.md says.
 */
export class HeldBack implements Checker {
  readonly name = "held-back";
  /** How often a member came to be held back. */
  count = 0;
  readonly #held = new Map<string, Held>();

  step(view: MemberView): void {
    const { address, life, raft, store, appliedIndex, bounds } = view;
    if (bounds === undefined) return;
    const { takenShare, keptUnderWayShare } = nodeLimits;
    if (store.bytes > bounds.dataBytesMax * (takenShare + keptUnderWayShare)) {
      throw new Violation(this.name, `${address} holds ${store.bytes} bytes of data`);
    }
    const logBytesMax = bounds.logBytesMax * raftLimits.logSpareFactor;
    if (raft.log.bytes > logBytesMax && bytesOfWrites(raft.log) > logBytesMax) {
      throw new Violation(this.name, `${address} holds ${raft.log.bytes} bytes in its log`);
    }
    const before = this.#held.get(address);
    if (!raft.isHeldBack) this.#held.delete(address);
    else if (before?.life !== life || before.store !== store) {
      this.count += 1;
      this.#held.set(address, { life, store, appliedIndex });
      this.#assertReason(view, bounds.dataBytesMax * takenShare);
    } else if (before.appliedIndex !== appliedIndex) {
      throw new Violation(this.name, `${address} is held back, and applies up to ${appliedIndex}`);
    }
    if (!raft.isHeldBack || raft.role === "follower") return;
    throw new Violation(this.name, `${address} is held back, and is a ${raft.role}`);
  }

  /** What comes next is committed, is in the log, and is too much. */
  #assertReason({ address, raft, store, appliedIndex }: MemberView, bytesMax: number): void {
    // The store is being built again: what it will be is not known yet.
    if (appliedIndex === null) return;
    const next = appliedIndex + 1;
    if (next > raft.commitIndex || !raft.log.holds(next)) {
      throw new Violation(this.name, `${address} is held back before entry ${next} that it lacks`);
    }
    const { command } = raft.log.at(next);
    const growth = store.growthBy(command, true);
    store.forget(command);
    if (growth !== null && store.bytes + growth.delta > bytesMax) return;
    const what = `with ${store.bytes} bytes of data, and entry ${next} adds ${growth?.delta ?? 0}`;
    throw new Violation(this.name, `${address} is held back ${what}`);
  }
}
