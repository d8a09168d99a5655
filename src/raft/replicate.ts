import type { Entry } from "../../protocol/log/entry.js";
import type { AppendChunk, AppendEntries, NextNodeIdx } from "../../protocol/wire/messages.js";
import { advanceLeaderCommit } from "./commit.js";
import { Cuts } from "./cuts.js";
import { keepLooking, onLookAnswer } from "./first-look.js";
import { raftLimits } from "./limits.js";
import { beginsElsewhere, isDue } from "./pace.js";
import type { Progress } from "./progress.js";
import type { RaftState } from "./state.js";

/** Messages made in one round, by where they begin, so that equal ones are encoded once. */
type Shared = Map<string, { messages: readonly (AppendEntries | AppendChunk)[]; to: string[] }>;

/** Sends to everyone what they lack; with `heartbeat` also to those that lack nothing. */
export function replicate(state: RaftState, heartbeat: boolean): void {
  state.owesCommit = false;
  if (!state.isLeader || state.inquest !== null) return;
  // Who is passed over now says so again.
  state.waitingDueMs = Number.POSITIVE_INFINITY;
  const round = newRound(heartbeat);
  for (const [peer, progress] of state.progress) {
    if (!isReachable(state, peer)) continue;
    if (!heartbeat && !isDue(state, peer, progress)) continue;
    replicateTo(state, peer, progress, round);
  }
  sendShared(state, round.shared);
}

/** As replicate, for one peer. */
export function replicateToOne(state: RaftState, peer: string): void {
  const progress = state.progress.get(peer);
  if (progress === undefined || !state.isLeader || state.inquest !== null) return;
  if (!isReachable(state, peer) || !isDue(state, peer, progress)) return;
  const round = newRound(false);
  replicateTo(state, peer, progress, round);
  sendShared(state, round.shared);
}

function sendShared(state: RaftState, shared: Shared): void {
  for (const { messages, to } of shared.values()) {
    for (const message of messages) state.sendAfterMeta(to, message);
  }
}

function isReachable(state: RaftState, peer: string): boolean {
  return state.connected.has(peer) || state.observers.has(peer);
}

interface Round {
  readonly heartbeat: boolean;
  readonly shared: Shared;
  /** Entries to be sent, by the index of the first. */
  readonly batches: Map<number, Batch>;
}

function newRound(heartbeat: boolean): Round {
  return { heartbeat, shared: new Map(), batches: new Map() };
}

interface Batch {
  readonly entries: readonly Entry[];
  readonly bytes: number;
}

function replicateTo(state: RaftState, peer: string, progress: Progress, round: Round): void {
  if (progress.look !== null) {
    if (round.heartbeat) keepLooking(state, peer, progress.look);
    return;
  }
  if (progress.mode === "snapshot") {
    if (round.heartbeat) sendSnapshotHeartbeat(state, peer);
    return;
  }
  let sentAny = false;
  while (mayPipeline(progress) && progress.nextIndex <= state.log.lastIndex) {
    if (isPutOff(state, progress)) break;
    if (!sendFrom(state, peer, progress, round)) return;
    sentAny = true;
    if (progress.mode === "probe") break;
  }
  const commitUntold = progress.toldCommit < state.commitIndex && progress.mode === "replicate";
  if (!sentAny && (round.heartbeat || (commitUntold && mayPipeline(progress)))) {
    sendEmpty(state, peer, progress, round);
  }
}

/** Receivers that each lack another large entry are served one after the other, with all else in between. */
function isPutOff(state: RaftState, { nextIndex }: Progress): boolean {
  if (!state.log.holds(nextIndex)) return false;
  const entry = state.log.at(nextIndex);
  if (!Cuts.isLarge(entry) || state.cuts.mayServe(entry)) return false;
  state.waitingDueMs = state.nowMs;
  return true;
}

function mayPipeline(progress: Progress): boolean {
  if (progress.mode === "probe") return progress.owed === 0;
  return (
    progress.owed < raftLimits.inFlightMessagesMax &&
    progress.inFlightBytes < raftLimits.inFlightBytesMax
  );
}

/** @returns false where the log no longer reaches back far enough and a dump is sent instead. */
function sendFrom(state: RaftState, peer: string, progress: Progress, round: Round): boolean {
  const prev = progress.nextIndex - 1;
  const prevTerm = state.log.termAt(prev);
  if (prevTerm === null) {
    startSnapshot(state, peer, progress, round.heartbeat);
    return false;
  }
  // A probe asks whether the logs meet here; entries would travel for nothing where they do not.
  const { entries, bytes } =
    progress.mode === "probe" && progress.matchIndex === 0
      ? noBatch
      : batchFrom(state, progress.nextIndex, round);
  const [single] = entries;
  if (single !== undefined && Cuts.isLarge(single)) {
    const pieces = share(round, `${prev}-pieces`, peer, () => piecesOf(state, single, prevTerm));
    for (const piece of pieces) if ("data" in piece) markSent(state, progress, piece.data.length);
    progress.nextIndex = single.index + 1;
    return true;
  }
  const last = prev + entries.length;
  share(round, `${prev}-${last}`, peer, () => [appendMessage(state, prev, prevTerm, entries)]);
  markSent(state, progress, bytes);
  progress.nextIndex = last + 1;
  return true;
}

const noBatch: Batch = { entries: [], bytes: 0 };

function batchFrom(state: RaftState, index: number, { batches }: Round): Batch {
  const known = batches.get(index);
  if (known !== undefined) return known;
  const entries = state.log.batch(index, raftLimits.batchBytesMax);
  const batch = { entries, bytes: entries.reduce((sum, { command }) => sum + command.length, 0) };
  batches.set(index, batch);
  return batch;
}

/** What the first receiver makes the others get as well. */
function share(
  round: Round,
  key: string,
  peer: string,
  make: () => readonly (AppendEntries | AppendChunk)[],
): readonly (AppendEntries | AppendChunk)[] {
  const group = round.shared.get(key) ?? { messages: make(), to: [] };
  round.shared.set(key, group);
  group.to.push(peer);
  return group.messages;
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
    startSnapshot(state, peer, progress, round.heartbeat);
    return;
  }
  share(round, `${prev}-${prev}`, peer, () => [appendMessage(state, prev, prevTerm, [])]);
  markSent(state, progress, 0);
}

/** Upstream sends an entry of 64 KiB or more as pieces of its pickle (SyncObj.__sendAppendEntries). */
function piecesOf(state: RaftState, entry: Entry, prevLogTerm: number): AppendChunk[] {
  const pieces = state.cuts.piecesOf(entry);
  const { term, commitIndex } = state;
  return pieces.map((data, at) => ({
    type: "append_chunk",
    transmission: at === 0 ? "start" : at === pieces.length - 1 ? "finish" : "process",
    data,
    term,
    commitIndex,
    prevLogIdx: entry.index - 1,
    prevLogTerm,
  }));
}

/**
 * Two small answers, the one that it has all and the one that it has nothing, have a dump begun anew, and the
 * protocol lets observers say so as often as they like. The next heartbeat looks again.
 */
function startSnapshot(
  state: RaftState,
  peer: string,
  progress: Progress,
  heartbeat: boolean,
): void {
  const isSoon = state.nowMs < progress.dumpBegunMs + raftLimits.observerDumpMs;
  if (isSoon && state.observers.has(peer)) {
    if (heartbeat) sendSnapshotHeartbeat(state, peer);
    return;
  }
  progress.dumpBegunMs = state.nowMs;
  progress.mode = "snapshot";
  sendSnapshotHeartbeat(state, peer);
  state.emit({ kind: "send-snapshot", to: peer });
}

/**
 * A dump takes a while to read and send: meanwhile the follower must know that its leader lives. But not
 * how much is committed: PySyncObj would take that for the log that the dump is to replace (see
 * SnapshotSender).
 */
function sendSnapshotHeartbeat(state: RaftState, peer: string): void {
  const { term } = state;
  state.sendAfterMeta([peer], { type: "install_snapshot", term, commitIndex: 1, chunk: null });
}

/** A follower's or an observer's answer. */
export function onNextNodeIdx(state: RaftState, from: string, message: NextNodeIdx): void {
  const progress = state.progress.get(from);
  if (progress === undefined) return;
  // Counted also where we do not lead: what is answered now need not be told apart in a later lead.
  const isOfNow = progress.answered(state.nowMs);
  if (!state.isLeader || progress.look === null) onAnswer(state, from, message, isOfNow);
  else if (onLookAnswer(state, from, message)) replicateToOne(state, from);
}

function onAnswer(state: RaftState, from: string, message: NextNodeIdx, isOfNow: boolean): void {
  const progress = state.progress.get(from);
  if (progress === undefined) return;
  if (message.success || message.reset) progress.isMatchFresh = true;
  if (!state.isLeader) return;
  if (!isOfNow) {
    // Drain the answers to an earlier leadership at the speed of the link, not of the heartbeat.
    if (progress.staleAnswers > 0 && state.inquest === null) nudge(state, from, progress);
    return;
  }
  if (progress.mode === "snapshot" && !message.success) return;
  const { nextNodeIdx, reset, success } = message;
  if (isLoading(state, progress, message)) return;
  if (success && isOvertakenByDump(state, progress, nextNodeIdx))
    raiseMatch(state, progress, nextNodeIdx);
  else if (success) onSuccess(state, from, progress, nextNodeIdx);
  else if (reset && isHeadInConflict(progress, nextNodeIdx)) {
    startSnapshot(state, from, progress, false);
    // Where it has just been sent one, it is not asked again as fast as the link goes.
    return;
  } else if (reset) onReset(state, progress, nextNodeIdx);
  const before = state.commitIndex;
  if (state.members.has(from)) advanceLeaderCommit(state);
  if (state.commitIndex > before) tellCommit(state);
  else if (!isPutOffBy(state, progress, message)) replicateToOne(state, from);
}

/**
 * What it lacks goes with what the turn sends anyway. Or it has neither taken the probe nor asked for
 * anything: it would be sent what it refuses again as fast as the link goes. The next heartbeat asks.
 */
function isPutOffBy(
  { owesCommit }: RaftState,
  { mode }: Progress,
  { reset, success }: NextNodeIdx,
): boolean {
  return owesCommit || (mode === "probe" && !reset && !success);
}

/**
 * Whoever lacks nothing else learns of a new commit index at once, or with what the turn sends anyway,
 * and not by the next heartbeat.
 */
export function tellCommit(state: RaftState): void {
  if (state.config.tellsAtTurnEnd === true) state.owesCommit = true;
  else replicate(state, false);
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
  if (answer.success && isOvertakenByDump(state, progress, answer.nextNodeIdx)) return false;
  progress.loading = null;
  return false;
}

/**
 * What was in flight when a dump was begun is confirmed one by one, all of it before where our log
 * begins: each of these answers would have the dump begun anew.
 */
function isOvertakenByDump(state: RaftState, progress: Progress, nextNodeIdx: number): boolean {
  const { mode, loading } = progress;
  const isOnItsWay = mode === "snapshot" || (loading !== null && state.nowMs < loading.untilMs);
  return isOnItsWay && nextNodeIdx <= state.log.firstIndex;
}

function nudge(state: RaftState, peer: string, progress: Progress): void {
  const round = newRound(true);
  sendEmpty(state, peer, progress, round);
  sendShared(state, round.shared);
}

function raiseMatch(state: RaftState, progress: Progress, nextNodeIdx: number): void {
  // Nobody can hold more of our log than we hold: a larger claim is not ours to count.
  const match = Math.min(nextNodeIdx - 1, state.log.lastIndex);
  if (match > progress.matchIndex) progress.matchIndex = match;
}

function onSuccess(state: RaftState, from: string, progress: Progress, nextNodeIdx: number): void {
  raiseMatch(state, progress, nextNodeIdx);
  // It has got what it lacked from an earlier dump: nobody waits for this one.
  if (progress.mode === "snapshot") state.emit({ kind: "cancel-snapshot", to: from });
  progress.conflictAt = 0;
  if (progress.nextIndex <= progress.matchIndex) progress.nextIndex = progress.matchIndex + 1;
  if (progress.mode !== "replicate") {
    progress.mode = "replicate";
    progress.writeOff();
    progress.nextIndex = progress.matchIndex + 1;
  }
}

/**
 * A vanilla follower steps back one entry at a time, and for one before the head of its log it names its
 * end again. Where its head is in conflict as well it would be asked round and round for ever: only a dump
 * can help. Upstream's leader does go round.
 */
function isHeadInConflict(progress: Progress, nextNodeIdx: number): boolean {
  const asked = progress.nextIndex - 1;
  if (nextNodeIdx === asked) progress.conflictAt = asked;
  return nextNodeIdx > asked + 1 && progress.conflictAt === asked + 1;
}

function onReset(state: RaftState, progress: Progress, nextNodeIdx: number): void {
  const next = Math.max(1, Math.min(nextNodeIdx, state.log.lastIndex + 1));
  // The follower holds less than it had: it lost data, and what it lost no longer counts.
  if (next - 1 < progress.matchIndex) progress.matchIndex = next - 1;
  progress.nextIndex = next;
  beginsElsewhere(state, progress);
  progress.mode = "probe";
}
