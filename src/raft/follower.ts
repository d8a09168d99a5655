import { ProtocolError } from "../../protocol/errors.js";
import type { Entry } from "../../protocol/log/entry.js";
import { EntryPieces } from "../../protocol/wire/entry-pieces.js";
import type { AppendChunk, AppendEntries, InstallSnapshot } from "../../protocol/wire/messages.js";
import { raiseCommit } from "./commit.js";
import { leaveTerm } from "./first-look.js";
import { noteTerm } from "./guards/forgetful-voters.js";
import { mayFollow } from "./guards/forgotten-term.js";
import { liftPeer } from "./guards/term-beacon.js";
import { meetHistory } from "./history.js";
import { areBeyondLog, refuseBeyondLog } from "./log-bound.js";
import { areBeyondReach } from "./reach.js";
import { stepDown } from "./role.js";
import type { RaftState } from "./state.js";
import { takenAtOnce } from "./taken-at-once.js";
import {
  isRefusedDump,
  isTooLarge,
  isTooMuch,
  refuseTooLarge,
  refuseTooMuch,
  waitsForDump,
} from "./too-large.js";
import { electionsOver } from "./vain-elections.js";
import { yieldCommitted } from "./yield-committed.js";

type FromLeader = AppendEntries | AppendChunk | InstallSnapshot;

/** Whatever a leader sends: heartbeats, entries, pieces of an entry, pieces of its dump. */
export function onFromLeader(state: RaftState, from: string, message: FromLeader): void {
  if (!acceptLeader(state, from, message)) return;
  switch (message.type) {
    case "append_entries":
      onAppendEntries(state, from, takenAtOnce(message));
      break;
    case "append_chunk":
      onAppendChunk(state, from, message);
      break;
    case "install_snapshot":
      onSnapshotChunk(state, from, message);
      break;
  }
}

/**
 * The leader's message could not be read, it is so large. Of a PySyncObj leader's only one with a large entry is:
 * that stands with small ones before it, which it sends no other way, and so there are none of these either.
 */
export function onMessageTooLarge(state: RaftState, from: string): void {
  // Who leads is known with its next heartbeat. What that asks for comes again, and is met here then.
  if (state.role !== "follower" || state.leader !== from) return;
  state.leaderHeardMs = state.nowMs;
  if (!state.transferringToSelf) state.resetElectionDeadline();
  const next = state.log.lastIndex + 1;
  refuseTooLarge(state, from, next, true);
  answer(state, from, { next, reset: false, success: false });
}

/** The checks that come before the content: term, and who leads it. */
function acceptLeader(state: RaftState, from: string, message: FromLeader): boolean {
  const { term } = message;
  noteTerm(state, from, term);
  if (term < state.term) {
    liftPeer(state, from, term);
    return false;
  }
  if (!meetHistory(state, from) || !mayFollow(state, from, message)) return false;
  if (term < state.term) {
    liftPeer(state, from, term);
    return false;
  }
  if (term > state.term) state.setTerm(term, null);
  const known = state.leaderOfTerm;
  if (known !== null && known.term === term && known.leader !== from) {
    state.note(
      "error",
      "two-leaders-in-a-term",
      `${from} claims to lead term ${term}, which ${known.leader} leads: its message is refused. ` +
        "A member that forgot its vote makes this possible; PySyncObj up to 0.3.15 does forget it.",
    );
    leaveTerm(state, from, term);
    return false;
  }
  if (known?.term !== term || known.leader !== from) {
    state.transmission = null;
    state.incomingSnapshot = null;
    state.conflictNext = null;
    state.awaitsDump = false;
  }
  state.leaderOfTerm = { term, leader: from };
  // A slow link may be longer with one piece than our patience: what came before is good all the same.
  if (state.role !== "follower" || state.leader !== from) stepDown(state, from);
  state.round = null;
  state.preVotes = null;
  state.gaveWay = null;
  state.unprovenLog = null;
  state.laterEnd = null;
  electionsOver(state);
  state.leaderHeardMs = state.nowMs;
  if (!state.transferringToSelf) state.resetElectionDeadline();
  return true;
}

function onAppendEntries(state: RaftState, from: string, message: AppendEntries): void {
  const { prevLogIdx, prevLogTerm, entries } = message;
  if (!followsOn(entries, prevLogIdx)) {
    state.note("warn", "entries-with-gap", `${from} sent entries that do not follow on each other`);
    return;
  }
  if (areBeyondReach(state, `an entry of ${from}`, entries)) return;
  if (prevLogIdx === null || !state.log.holds(prevLogIdx)) {
    if (waitsForDump(state, message.commitIndex)) {
      answer(state, from, { next: state.log.lastIndex + 1, reset: false, success: false });
      return;
    }
    const next = Math.min(state.log.lastIndex + 1, state.conflictNext ?? Number.POSITIVE_INFINITY);
    answer(state, from, { next, reset: true, success: false });
    return;
  }
  if (state.log.termAt(prevLogIdx) !== prevLogTerm) {
    const hint = conflictHint(state, prevLogIdx);
    state.conflictNext = Math.min(hint, state.conflictNext ?? hint);
    const reset = state.tooLarge?.what !== "dump" || !waitsForDump(state, message.commitIndex);
    answer(state, from, { next: state.conflictNext, reset, success: false });
    return;
  }
  state.conflictNext = null;
  const large = entries.find(({ command }) => command.length > state.entryBytesMax);
  if (large !== undefined) {
    refuseTooLarge(state, from, large.index);
    answer(state, from, { next: state.log.lastIndex + 1, reset: false, success: false });
    return;
  }
  if (!takeEntries(state, from, message)) return;
  const verified = prevLogIdx + entries.length;
  answer(state, from, { next: verified + 1, reset: false, success: true });
  raiseCommit(state, Math.min(message.commitIndex, verified));
  const isBehind = message.commitIndex > verified;
  if (state.mustRefetch && !isBehind && holdsAllCommitted(state)) caughtUp(state);
  healTerm(state);
}

/**
 * Where the leader should look next: before the run of the term that does not match, but not before
 * what is committed here, which it holds as well unless members have lost data.
 */
function conflictHint(state: RaftState, index: number): number {
  const start = state.log.startOfTermRun(index);
  if (index > state.commitIndex) return Math.max(start, state.commitIndex + 1);
  // At the head of the log there is nothing before to compare: only a dump can help then, and a
  // vanilla leader sends one for a next index that its log no longer holds.
  return start === state.log.firstIndex ? 1 : start;
}

function followsOn(entries: readonly Entry[], prevLogIdx: number | null): boolean {
  const first = prevLogIdx === null ? entries[0]?.index : prevLogIdx + 1;
  return entries.every((entry, i) => entry.index === (first ?? 0) + i);
}

/**
 * Appends what is new. Entries that we hold already stay as they are: upstream cuts there on every
 * re-sent message, ours only where an entry differs.
 *
 * @returns false where the entries were not taken.
 */
function takeEntries(state: RaftState, from: string, message: AppendEntries): boolean {
  const { entries } = message;
  const known = entries.findIndex((entry) => !holdsIt(state, entry));
  if (known === -1) return true;
  const fresh = entries.slice(known);
  const first = fresh[0];
  if (first === undefined) return true;
  const tooMany = state.membership.areTooMany(fresh, state.commitIndex);
  if (tooMany !== null) {
    state.note(
      "error",
      "members-too-many",
      `${from} sent entries by which there would be ${tooMany}: refused`,
    );
    answer(state, from, { next: state.log.lastIndex + 1, reset: false, success: false });
    raiseCommit(state, Math.min(message.commitIndex, first.index - 1));
    return false;
  }
  if (areBeyondLog(state, fresh)) {
    refuseBeyondLog(state, from, first.index);
    answer(state, from, { next: state.log.lastIndex + 1, reset: false, success: false });
    // What stands before them is the leader's: applied, it is what a dump drops.
    raiseCommit(state, Math.min(message.commitIndex, first.index - 1));
    return false;
  }
  if (isTooMuch(state, fresh)) {
    // All before them is its leader's as well: once that is applied there may be room.
    raiseCommit(state, Math.min(message.commitIndex, first.index - 1));
    refuseTooMuch(state, from, first.index);
    answer(state, from, { next: state.log.lastIndex + 1, reset: false, success: false });
    return false;
  }
  if (state.log.holds(first.index)) {
    if (state.dropped.isFull) {
      const text = `${from} has other entries in the place of those that the disk has yet to store: it has to wait`;
      state.note("warn", "entries-wait-for-disk", text);
      answer(state, from, { next: state.log.lastIndex + 1, reset: false, success: false });
      return false;
    }
    if (first.index <= state.commitIndex && !yieldCommitted(state, from, first.index)) return false;
    state.truncateFrom(first.index);
  }
  state.appendEntries(fresh);
  return true;
}

/** What the dump has taken in is compared by its term alone: not all of its commands are there any more. */
function holdsIt({ log, dumpIndex }: RaftState, entry: Entry): boolean {
  if (entry.index <= dumpIndex) return log.termAt(entry.index) === entry.term;
  return log.holdsSame(entry);
}

/**
 * A leader knows what is committed only once an entry of its own term is: before that the commit index
 * that it tells can be far behind. Until we hold all up to there, we may lack what we had confirmed.
 */
function holdsAllCommitted(state: RaftState): boolean {
  return state.log.termAt(state.commitIndex) === state.term;
}

/** A member that had lost entries holds all committed ones again: it may vote from now on. */
function caughtUp(state: RaftState): void {
  state.setMustRefetch(false, false);
  state.note("info", "refetched", `caught up with ${state.leader ?? "the leader"}: voting again`);
}

/**
 * A leader whose term collapsed sends entries of higher terms than its own. Our term goes up to
 * theirs, as it would after a restart, and the beacon then lifts the others.
 */
function healTerm(state: RaftState): void {
  if (state.log.maxTerm <= state.term) return;
  state.note(
    "warn",
    "term-collapse",
    `the log holds entries of term ${state.log.maxTerm}, above the leader's term ${state.term}: ` +
      "a member forgot its term. Taking the higher one.",
  );
  state.setTerm(state.log.maxTerm, null);
  stepDown(state, null);
}

function onAppendChunk(state: RaftState, from: string, message: AppendChunk): void {
  const { term, commitIndex, prevLogIdx, prevLogTerm } = message;
  if (message.transmission === "start") {
    state.transmission = { from, pieces: new EntryPieces(state.entryBytesMax) };
  }
  const open = state.transmission;
  const isRefused = isTooLarge(state, prevLogIdx);
  if (open === null || open.from !== from || isRefused) {
    // The start was lost with an earlier link: the answer makes the leader begin again.
    answer(state, from, { next: state.log.lastIndex + 1, reset: !isRefused, success: false });
    return;
  }
  const entry = takePiece(state, open, message);
  if (entry === null) {
    // Upstream marks two pieces `finish` where the pickle is longer than the command: wait for more.
    answer(state, from, { next: state.log.lastIndex + 1, reset: false, success: false });
    return;
  }
  state.transmission = null;
  const entries = [entry];
  onAppendEntries(state, from, {
    ...{ type: "append_entries", term, commitIndex, prevLogIdx, prevLogTerm, entries },
  });
}

type Transmission = NonNullable<RaftState["transmission"]>;

/** The entry that the pieces make, or null where they do not make one (yet). */
function takePiece(
  state: RaftState,
  { from, pieces }: Transmission,
  { data, transmission, prevLogIdx }: AppendChunk,
): Entry | null {
  try {
    pieces.add(data);
    if (pieces.isTooLarge) {
      state.transmission = null;
      refuseTooLarge(state, from, (prevLogIdx ?? state.log.lastIndex) + 1);
    }
    return transmission === "finish" ? pieces.finish() : null;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    state.transmission = null;
    state.note(
      "error",
      "entry-malformed",
      `${from} sent a large entry that is none: ${error.message}`,
    );
    return null;
  }
}

function onSnapshotChunk(state: RaftState, from: string, message: InstallSnapshot): void {
  const { chunk, term } = message;
  if (chunk === null) return;
  if (chunk.isFirst) state.incomingSnapshot = isRefusedDump(state) ? null : { from, term };
  if (state.incomingSnapshot?.from !== from || state.incomingSnapshot.term !== term) return;
  if (chunk.isLast) {
    state.incomingSnapshot = null;
    state.wholeDump = { from, isLinkLost: false };
  }
  state.emit({ kind: "snapshot-chunk", from, term, chunk });
}

export function answer(
  state: RaftState,
  to: string,
  { next, reset, success }: { next: number; reset: boolean; success: boolean },
): void {
  state.sendAfterLog(to, { type: "next_node_idx", nextNodeIdx: next, reset, success });
}
