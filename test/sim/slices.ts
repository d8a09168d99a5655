import { parseCommand } from "../../src/store/command.js";
import type { Store } from "../../src/store/store.js";
import type { MemberView } from "./checkers/checker.js";

/** How a member came to rest. */
interface Looked {
  readonly life: number;
  readonly store: Store;
  /** Between two slices: of a recursive delete that is not applied yet, or whose keys are still in memory. */
  readonly isAmid: boolean;
  readonly firstIndex: number;
}

/** Whether something may come between two slices of a recursive delete there. */
export function isAmidSlices(view: MemberView | null): boolean {
  if (view === null || view.appliedIndex === null) return false;
  return view.store.isSweeping || isSweepNext(view.raft, view.appliedIndex);
}

/** Counts what has come between two slices of recursive deletes, so that a test sees that it does. */
export class SliceCount {
  /** Times that a member came to rest with a committed recursive delete as the next entry to apply. */
  looking = 0;
  /** … with keys in memory that one has removed. */
  leaving = 0;
  /** Processes that ended then. */
  ended = 0;
  /** Stores that were replaced then, by a leader's dump or because committed entries had to go. */
  replaced = 0;
  /** Logs that a dump has made shorter then. */
  compacted = 0;
  readonly #looked = new Map<string, Looked>();

  look({ address, life, raft, store, appliedIndex }: MemberView): void {
    const isLooking = appliedIndex !== null && isSweepNext(raft, appliedIndex);
    const isLeaving = store.isSweeping;
    if (isLooking) this.looking += 1;
    if (isLeaving) this.leaving += 1;
    const before = this.#looked.get(address);
    const { firstIndex } = raft.log;
    this.#looked.set(address, { life, store, isAmid: isLooking || isLeaving, firstIndex });
    if (before?.isAmid !== true) return;
    if (before.life !== life) this.ended += 1;
    else if (before.store !== store || appliedIndex === null) this.replaced += 1;
    else if (before.firstIndex !== firstIndex) this.compacted += 1;
  }
}

function isSweepNext({ log, commitIndex }: MemberView["raft"], appliedIndex: number): boolean {
  const next = appliedIndex + 1;
  if (next > commitIndex || !log.holds(next)) return false;
  const call = parseCommand(log.at(next).command);
  return call?.kind === "delete" && call.recursive;
}
