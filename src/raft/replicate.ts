import type { Entry } from "../../protocol/log/entry.js";
import { encodeEntryTuple } from "../../protocol/wire/message-codec.js";
import type { AppendEntries, NextNodeIdx } from "../../protocol/wire/messages.js";
import { advanceLeaderCommit } from "./commit.js";
import { raftLimits } from "./limits.js";
import type { Progress } from "./progress.js";
import type { RaftState } from "./state.js";

/** Messages made in one round, by where they begin, so that equal ones are encoded once. */
type Shared = Map<string, { message: AppendEntries; to: string[] }>;

/** Sends to everyone what they lack; with `heartbeat` also to those that lack nothing. */
export function replicate(state: RaftState, heartbeat: boolean): void {
  if (!state.isLeader || state.inquest !== null) return;
  const shared: Shared = new Map();
  for (const [peer, progress] of state.progress) {
    if (!isReachable(state, peer)) continue;
    replicateTo(state, peer, progress, { heartbeat, shared });
  }
  for (const { message, to } of shared.values()) state.sendAfterMeta(to, message);
}

/** As replicate, for one peer. */
export function replicateToOne(state: RaftState, peer: string): void {
  const progress = state.progress.get(peer);
  if (progress === undefined || !state.isLeader || state.inquest !== null) return;
  if (!isReachable(state, peer)) return;
  const shared: Shared = new Map();
  replicateTo(state, peer, progress, { heartbeat: false, shared });
  for (const { message, to } of shared.values()) state.sendAfterMeta(to, message);
}

function isReachable(state: RaftState, peer: string): boolean {
  return state.connected.has(peer) || state.observers.has(peer);
}

interface Round {
  readonly heartbeat: boolean;
  readonly shared: Shared;
}

function replicateTo(state: RaftState, peer: string, progress: Progress, round: Round): void {
  if (progress.mode === "snapshot") {
    if (round.heartbeat) sendSnapshotHeartbeat(state, peer);
    return;
  }
  let sentAny = false;
  while (mayPipeline(progress) && progress.nextIndex <= state.log.lastIndex) {
    if (!sendFrom(state, peer, progress, round)) return;
    sentAny = true;
    if (progress.mode === "probe") break;
  }
  const commitUntold = progress.toldCommit < state.commitIndex && progress.mode === "replicate";
  if (!sentAny && (round.heartbeat || (commitUntold && mayPipeline(progress)))) {
    sendEmpty(state, peer, progress, round);
  }
}

function mayPipeline(progress: Progress): boolean {
  if (progress.mode === "probe") return progress.unanswered === 0;
  return (
    progress.unanswered < raftLimits.inFlightMessagesMax &&
    progress.inFlightBytes < raftLimits.inFlightBytesMax
  );
}

/** @returns false where the log no longer reaches back far enough and a dump is sent instead. */
function sendFrom(state: RaftState, peer: string, progress: Progress, round: Round): boolean {
  const prev = progress.nextIndex - 1;
  const prevTerm = state.log.termAt(prev);
  if (prevTerm === null) {
    startSnapshot(state, peer, progress);
    return false;
  }
  // A probe asks whether the logs meet here; entries would travel for nothing where they do not.
  const entries =
    progress.mode === "probe" && progress.matchIndex === 0
      ? []
      : state.log.batch(progress.nextIndex, raftLimits.batchBytesMax);
  const [single] = entries;
  if (single !== undefined && single.command.length >= raftLimits.batchBytesMax) {
    sendInPieces(state, peer, progress, single);
    return true;
  }
  const last = prev + entries.length;
  const key = `${prev}-${last}`;
  let group = round.shared.get(key);
  if (group === undefined) {
    const message = appendMessage(state, prev, prevTerm, entries);
    group = { message, to: [] };
    round.shared.set(key, group);
  }
  group.to.push(peer);
  const bytes = entries.reduce((sum, entry) => sum + entry.command.length, 0);
  markSent(state, progress, bytes);
  progress.nextIndex = last + 1;
  return true;
}

function appendMessage(
  state: RaftState,
  prevLogIdx: number,
  prevLogTerm: number,
  entries: readonly Entry[],
): AppendEntries {
  const { term, commitIndex } = state;
  return { type: "append_entries", term, commitIndex, prevLogIdx, prevLogTerm, entries };
}

function markSent(state: RaftState, progress: Progress, bytes: number): void {
  progress.sent(bytes, state.nowMs);
  progress.toldCommit = state.commitIndex;
}

function sendEmpty(state: RaftState, peer: string, progress: Progress, round: Round): void {
  const prev = progress.nextIndex - 1;
  const prevTerm = state.log.termAt(prev);
  if (prevTerm === null) {
    startSnapshot(state, peer, progress);
    return;
  }
  const key = `${prev}-${prev}`;
  const group = round.shared.get(key) ?? {
    message: appendMessage(state, prev, prevTerm, []),
    to: [],
  };
  round.shared.set(key, group);
  group.to.push(peer);
  markSent(state, progress, 0);
}

/** Upstream sends an entry of 64 KiB or more as pieces of its pickle (SyncObj.__sendAppendEntries). */
function sendInPieces(state: RaftState, peer: string, progress: Progress, entry: Entry): void {
  const pickle = encodeEntryTuple(entry);
  const prevLogIdx = entry.index - 1;
  const prevLogTerm = state.log.termAt(prevLogIdx);
  const size = raftLimits.batchBytesMax;
  for (let at = 0; at < pickle.length; at += size) {
    const isLast = at + size >= pickle.length;
    state.sendAfterMeta([peer], {
      type: "append_chunk",
      transmission: at === 0 ? "start" : isLast ? "finish" : "process",
      data: pickle.subarray(at, at + size),
      term: state.term,
      commitIndex: state.commitIndex,
      prevLogIdx,
      prevLogTerm,
    });
    markSent(state, progress, Math.min(size, pickle.length - at));
  }
  progress.nextIndex = entry.index + 1;
}

function startSnapshot(state: RaftState, peer: string, progress: Progress): void {
  progress.mode = "snapshot";
  sendSnapshotHeartbeat(state, peer);
  state.emit({ kind: "send-snapshot", to: peer });
}

/** A dump takes a while to read and send: meanwhile the follower must know that its leader lives. */
function sendSnapshotHeartbeat(state: RaftState, peer: string): void {
  const { term, commitIndex } = state;
  state.sendAfterMeta([peer], { type: "install_snapshot", term, commitIndex, chunk: null });
}

/** A follower's or an observer's answer. */
export function onNextNodeIdx(state: RaftState, from: string, message: NextNodeIdx): void {
  const progress = state.progress.get(from);
  if (progress === undefined) return;
  // Counted also where we do not lead: what is answered now need not be told apart in a later lead.
  const isOfNow = progress.answered(state.nowMs);
  if (!state.isLeader) return;
  if (!isOfNow) {
    // Drain the answers to an earlier leadership at the speed of the link, not of the heartbeat.
    if (progress.staleAnswers > 0 && state.inquest === null) nudge(state, from, progress);
    return;
  }
  if (progress.mode === "snapshot" && !message.success) return;
  const { nextNodeIdx, reset, success } = message;
  if (isLoading(state, progress, message)) return;
  if (success) onSuccess(state, progress, nextNodeIdx);
  else if (reset) onReset(state, progress, nextNodeIdx);
  advanceLeaderCommit(state);
  replicateToOne(state, from);
}

/**
 * A receiver that loads a dump in slices answers heartbeats meanwhile as if it had none: that must
 * not have the same dump sent again.
 */
function isLoading(state: RaftState, progress: Progress, answer: NextNodeIdx): boolean {
  const { loading } = progress;
  if (loading === null) return false;
  if (!answer.success && answer.nextNodeIdx <= loading.index && state.nowMs < loading.untilMs) {
    return true;
  }
  progress.loading = null;
  return false;
}

function nudge(state: RaftState, peer: string, progress: Progress): void {
  const shared: Shared = new Map();
  sendEmpty(state, peer, progress, { heartbeat: true, shared });
  for (const { message, to } of shared.values()) state.sendAfterMeta(to, message);
}

function onSuccess(state: RaftState, progress: Progress, nextNodeIdx: number): void {
  // Nobody can hold more of our log than we hold: a larger claim is not ours to count.
  const match = Math.min(nextNodeIdx - 1, state.log.lastIndex);
  if (match > progress.matchIndex) progress.matchIndex = match;
  if (progress.nextIndex <= progress.matchIndex) progress.nextIndex = progress.matchIndex + 1;
  if (progress.mode !== "replicate") {
    progress.mode = "replicate";
    progress.nextIndex = progress.matchIndex + 1;
  }
}

function onReset(state: RaftState, progress: Progress, nextNodeIdx: number): void {
  const next = Math.max(1, Math.min(nextNodeIdx, state.log.lastIndex + 1));
  // The follower holds less than it had: it lost data, and what it lost no longer counts.
  if (next - 1 < progress.matchIndex) progress.matchIndex = next - 1;
  progress.nextIndex = next;
  progress.mode = "probe";
}
