import { raiseCommit } from "./commit.js";
import { answer } from "./follower.js";
import { raftLimits } from "./limits.js";
import type { RaftState } from "./state.js";
import type { SnapshotSummary } from "./types.js";
import { yieldCommitted } from "./yield-committed.js";

/** A leader's dump has arrived whole and was found sound. */
export function onSnapshotReceived(
  state: RaftState,
  from: string,
  term: number,
  summary: SnapshotSummary,
): void {
  if (term !== state.term || state.leader !== from) {
    state.emit({ kind: "discard-snapshot" });
    return;
  }
  const { last } = summary;
  const held = state.log.termAt(last.index);
  const isOlder = last.index <= state.commitIndex && !state.mustRefetch;
  if (isOlder && (held === last.term || last.index < state.log.firstIndex)) {
    // We hold all of it, committed. Going back to it would undo what is applied.
    state.emit({ kind: "discard-snapshot" });
    answer(state, from, { next: last.index + 1, reset: false, success: true });
    return;
  }
  if (isOlder && !yieldCommitted(state, from, conflictStart(state, last.index))) {
    if (state.halted) state.emit({ kind: "discard-snapshot" });
    if (state.halted) return;
  }
  install(state, from, summary);
}

/** Without the entries we cannot know where the conflict begins: at the latest here. */
function conflictStart(state: RaftState, index: number): number {
  return Math.max(index, state.log.firstIndex + 1);
}

function install(
  state: RaftState,
  from: string,
  { previous, last, members }: SnapshotSummary,
): void {
  const joins = state.log.termAt(last.index) === last.term;
  const keep = joins ? state.log.slice(last.index + 1, state.log.lastIndex) : [];
  state.replaceLog([previous, last, ...keep]);
  state.emit({ kind: "install", seq: state.seq, keep });
  state.setMembers(members);
  state.replayMembership(last.index + 1);
  state.dumpIndex = last.index;
  state.applyingTo = last.index;
  state.lastApplied = last.index;
  state.commitIndex = last.index;
  state.saveCommit(last.index);
  state.note("info", "snapshot-installed", `took over ${from}'s dump up to index ${last.index}`);
  answer(state, from, { next: last.index + 1, reset: false, success: true });
  raiseCommit(state, last.index);
}

/** The dump has left for a peer: what follows comes from the log. */
export function onSnapshotSent(state: RaftState, to: string, lastIndex: number): void {
  const progress = state.progress.get(to);
  if (progress === undefined || progress.mode !== "snapshot") return;
  progress.mode = "probe";
  progress.nextIndex = Math.min(lastIndex, state.log.lastIndex) + 1;
  progress.loading = { index: lastIndex, untilMs: state.nowMs + raftLimits.dumpLoadMsMax };
  progress.sent(0, state.nowMs);
}

export function onSnapshotNotSent(state: RaftState, to: string): void {
  const progress = state.progress.get(to);
  if (progress?.mode === "snapshot") progress.mode = "probe";
}

/** Our own dump is durable: the log before its two entries is no longer needed. */
export function onDumpWritten(state: RaftState, previousIndex: number): void {
  state.dumpIndex = Math.max(state.dumpIndex, previousIndex + 1);
  if (previousIndex <= state.log.firstIndex || previousIndex >= state.log.lastIndex) return;
  state.log.compact(previousIndex);
  state.seq += 1;
  state.logSeq = state.seq;
  state.emit({ kind: "compact", seq: state.seq, keepFrom: previousIndex });
}
