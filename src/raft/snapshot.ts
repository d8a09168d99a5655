import { raiseCommit } from "./commit.js";
import { answer } from "./follower.js";
import { raftLimits } from "./limits.js";
import { areBeyondReach } from "./reach.js";
import type { RaftState } from "./state.js";
import type { SnapshotSummary } from "./types.js";
import { yieldAllToDump } from "./yield-committed.js";

/** A leader's dump has arrived whole and was found sound. */
export function onSnapshotReceived(
  state: RaftState,
  from: string,
  term: number,
  summary: SnapshotSummary,
): void {
  // It may be silent by now; who leads this term does not change by that.
  const isOfLeader = state.leaderOfTerm?.leader === from && state.leaderOfTerm.term === term;
  if (term !== state.term || state.role !== "follower" || !isOfLeader) {
    state.emit({ kind: "discard-snapshot" });
    return;
  }
  if (isForged(state, from, summary)) {
    state.emit({ kind: "discard-snapshot" });
    return;
  }
  const { last } = summary;
  const held = state.log.termAt(last.index);
  const isOlder = last.index <= state.commitIndex && !state.mustRefetch && !state.awaitsDump;
  const isBehindUs = last.index < state.log.firstIndex && state.conflictNext !== 1;
  if (isOlder && (held === last.term || isBehindUs)) {
    // We hold all of it, committed. Going back to it would undo what is applied.
    state.emit({ kind: "discard-snapshot" });
    answerDump(state, from, last.index);
    return;
  }
  const mustYield = isOlder || contradictsCommitted(state);
  if (mustYield && !yieldAllToDump(state, from, Math.min(last.index, state.commitIndex))) {
    state.emit({ kind: "discard-snapshot" });
    return;
  }
  // What the dump holds committed entries were in our own: they are gone with it.
  if (state.awaitsDump) state.setMustRefetch(true);
  install(state, from, summary);
}

/** Nothing that it names can be true of a cluster, and all of it would be in our files for ever. */
function isForged(state: RaftState, from: string, summary: SnapshotSummary): boolean {
  const { last, previous, members } = summary;
  if (areBeyondReach(state, `the dump of ${from}`, [last, previous])) return true;
  const isTooFar = last.index >= raftLimits.unreachableIndex;
  if (!isTooFar && members.length <= raftLimits.knownMembersMax) return false;
  const what = isTooFar ? `ends at index ${last.index}` : `names ${members.length} members`;
  state.note("error", "dump-forged", `the dump of ${from} ${what}, which no cluster has: refused`);
  return true;
}

/**
 * A dump that ends behind our commit index does not show what it holds below. But where its leader was
 * told to look at or before that index, one of its entries there was another one than ours.
 */
function contradictsCommitted({ conflictNext, commitIndex, isConflictKept }: RaftState): boolean {
  return conflictNext !== null && conflictNext <= commitIndex && !isConflictKept;
}

function install(
  state: RaftState,
  from: string,
  { previous, last, members }: SnapshotSummary,
): void {
  const joins = state.log.termAt(last.index) === last.term;
  const keep = joins ? state.log.slice(last.index + 1, state.log.lastIndex) : [];
  state.replaceLog([previous, last, ...keep]);
  state.conflictNext = null;
  state.isConflictKept = false;
  state.awaitsDump = false;
  state.emit({ kind: "install", seq: state.seq, keep });
  state.membership.set(members, from);
  state.replayMembership(last.index + 1);
  state.dumpIndex = last.index;
  state.applyingTo = last.index;
  state.lastApplied = last.index;
  state.commitIndex = last.index;
  state.saveCommit(last.index);
  state.note("info", "snapshot-installed", `took over ${from}'s dump up to index ${last.index}`);
  answerDump(state, from, last.index);
  raiseCommit(state, last.index);
}

/**
 * Over the link over which it came, and no other: the leader counts what it has sent on a link, and takes one answer
 * too many, which carries no term, for one of a later leadership in the end. Its next message asks again.
 */
function answerDump(state: RaftState, to: string, lastIndex: number): void {
  const { wholeDump } = state;
  if (wholeDump?.from === to && wholeDump.isLinkLost) return;
  answer(state, to, { next: lastIndex + 1, reset: false, success: true });
}

/** The dump has left for a peer: what follows comes from the log. */
export function onSnapshotSent(state: RaftState, to: string, lastIndex: number): void {
  const progress = state.progress.get(to);
  if (progress === undefined) return;
  // Whatever has become of it meanwhile: it is answered.
  progress.sent(0, state.nowMs);
  if (progress.mode !== "snapshot") return;
  progress.mode = "probe";
  progress.nextIndex = Math.min(lastIndex, state.log.lastIndex) + 1;
  progress.loading = { index: lastIndex, untilMs: state.nowMs + raftLimits.dumpLoadMsMax };
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
  state.membership.compacted(previousIndex);
  state.seq += 1;
  state.logSeq = state.seq;
  state.compactSeq = state.seq;
  state.emit({ kind: "compact", seq: state.seq, keepFrom: previousIndex });
}
