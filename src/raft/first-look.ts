import type { NextNodeIdx } from "../../protocol/wire/messages.js";
import { termsNear, termsToTry } from "./guards/look-before-truncate.js";
import { beaconTo } from "./guards/term-beacon.js";
import { hasNextTerm } from "./last-term.js";
import { raftLimits } from "./limits.js";
import type { Look, Progress } from "./progress.js";
import { adoptTerm, stepDown } from "./role.js";
import type { RaftState } from "./state.js";
import type { PeerStatus } from "./types.js";

/*
 * A leader's first look at a member on a new link. Members that forget their term go on without a leader
 * that is cut off: at a lower term than its own, or in the very same one, which is led twice then. What they
 * have committed it would have them cut when it is back, and PySyncObj cuts its log at a heartbeat as well.
 * So before the first real message we ask a member that is not known for a Quorate one where it stands.
 * Quorate members forget no term, and their hello ends the look.
 */

/** @returns whether there is something to look at before anything is sent. */
export function beginLook(state: RaftState, peer: string, progress: Progress): boolean {
  progress.look = null;
  if (!state.members.has(peer) || state.peers.get(peer)?.isQuorate === true) return false;
  if (!state.guarded("look-before-truncate")) return false;
  progress.look = {
    startedMs: state.nowMs,
    // The question leaves with it.
    askedMs: state.nowMs,
    answeredMs: null,
    status: null,
    triedTo: null,
    tried: 0,
    triedAt: 0,
    differs: false,
  };
  return true;
}

/**
 * A heartbeat is due. The member must not campaign while we wait: a message behind any log makes it wait,
 * cuts nothing, and is answered with where its log ends. Not at once, for whoever hears it forgets whom it
 * followed.
 */
export function keepLooking(state: RaftState, peer: string, look: Look): void {
  const progress = state.progress.get(peer);
  if (progress === undefined || state.nowMs - look.startedMs < state.config.heartbeatMs) return;
  if (look.status === null && state.nowMs - look.askedMs >= raftLimits.statusAnswerMsMax) {
    look.askedMs = state.nowMs;
    state.askStatus(peer);
  }
  if (progress.unanswered === 0) probe(state, peer, raftLimits.unreachableIndex, 0);
}

function probe(state: RaftState, peer: string, prevLogIdx: number, prevLogTerm: number): void {
  const { term } = state;
  state.sendAfterMeta([peer], {
    ...{ type: "append_entries", term, commitIndex: 1, prevLogIdx, prevLogTerm, entries: [] },
  });
  state.progress.get(peer)?.sent(0, state.nowMs);
}

/** @returns whether the look is over, and the member may be sent what it lacks. */
export function onLookStatus(state: RaftState, peer: string, status: PeerStatus | null): boolean {
  const progress = state.progress.get(peer);
  const look = progress?.look ?? null;
  if (progress === undefined || look === null || status === null) return false;
  look.status = status;
  if (!state.isLeader || state.inquest !== null) return false;
  if (isAnothersFollower(state, status)) {
    leaveTo(state, peer, status);
    return false;
  }
  // 0.3.15 can tell of more than its log holds: where that ends it says itself.
  if (tellsOfMore(state, status)) probe(state, peer, raftLimits.unreachableIndex, 0);
  return endIfAnswered(progress);
}

/** An answer to what keeps it quiet, or to a probe. @returns as onLookStatus. */
export function onLookAnswer(state: RaftState, peer: string, answer: NextNodeIdx): boolean {
  const progress = state.progress.get(peer);
  const look = progress?.look ?? null;
  if (progress === undefined || look === null) return false;
  look.differs ||= answer.success;
  if (progress.unanswered > 0) return false;
  look.answeredMs ??= state.nowMs;
  const { status } = look;
  if (status === null) {
    // It lives, and answers no question: for ever we do not wait.
    if (state.nowMs - look.answeredMs < raftLimits.lookMsMax) return false;
    const text = `${peer} does not tell its state: it is sent entries all the same`;
    state.note("warn", "look-unanswered", text);
  } else if (isAnothersFollower(state, status)) {
    leaveTo(state, peer, status);
    return false;
  } else if (tellsOfMore(state, status) && !look.differs) {
    const isNoneLeft = look.triedTo === 0 || look.tried >= raftLimits.lookTermsMax;
    if (isNoneLeft || state.commitIndex < state.noOpIndex) {
      leaveTo(state, peer, status);
      return false;
    }
    if (look.triedTo !== null || status.commitIndex < answer.nextNodeIdx) {
      askForCommitted(state, peer, look);
      return false;
    }
  }
  return endIfAnswered(progress);
}

/**
 * Whether it holds what is committed here: it may have been away while that was done, and hold entries of
 * earlier terms that a majority has lost. Then it has to follow. As in inquest.ts it is asked for all terms
 * but our own, which would cut its log where it holds ours.
 */
function askForCommitted(state: RaftState, peer: string, look: Look): void {
  const from = (look.triedTo ?? state.term + 1) - 1;
  const near = termsNear(state, peer);
  const terms = termsToTry(state.log, { from, except: state.term, near });
  if (look.triedTo === null) look.triedAt = state.commitIndex;
  look.triedTo = terms.at(-1) ?? 0;
  look.tried += terms.length;
  for (const term of terms) probe(state, peer, look.triedAt, term);
}

/** An answer that is still to come would be taken for one to what is sent next. */
function endIfAnswered(progress: Progress): boolean {
  if (progress.unanswered > 0) return false;
  progress.look = null;
  return true;
}

/** A member adopts a leader with its term: so somebody else has led ours. */
function isAnothersFollower(state: RaftState, { term, leader }: PeerStatus): boolean {
  return term === state.term && leader !== null && leader !== state.selfId;
}

/**
 * Since we lead nobody commits but we. Of earlier terms it may know more as long as nothing of ours is
 * committed, up to where our own entries begin.
 */
function tellsOfMore(state: RaftState, { term, commitIndex }: PeerStatus): boolean {
  return term <= state.term && commitIndex >= Math.max(state.commitIndex + 1, state.noOpIndex);
}

function leaveTo(state: RaftState, peer: string, status: PeerStatus): void {
  const { term } = state;
  const how = isAnothersFollower(state, status)
    ? `follows ${status.leader} in the same term`
    : `has committed up to ${status.commitIndex} in term ${status.term}`;
  state.note(
    "error",
    "led-meanwhile",
    `${peer} ${how}, while we led term ${term} without it: stepping down, so that what was committed there ` +
      "is not lost. Members have forgotten their term; PySyncObj up to 0.3.15 does at each start",
  );
  leaveTerm(state, peer, status.term);
}

/** Of a term that we lead, or have led: nobody else has appended them. */
function dropUncommittedOf(state: RaftState, term: number): void {
  const { log, commitIndex } = state;
  let first = log.lastIndex + 1;
  while (first - 1 > commitIndex && log.termAt(first - 1) === term) first -= 1;
  if (first <= log.lastIndex) state.truncateFrom(first);
}

/**
 * Neither of two leaders may be followed, and each of them may go on for ever with a majority of its own: a
 * term that nobody has led yet makes both step down. What we have appended in ours is not committed, would
 * keep the other side's log from being followed, and in a term that is led twice could not be told from
 * what stands there: it goes.
 *
 * @param theirs The term that `peer` has shown.
 */
export function leaveTerm(state: RaftState, peer: string, theirs: number): void {
  const { term } = state;
  if (theirs === term) state.raiseSecondTerm(term);
  if (state.leaderOfTerm?.term === term && state.leaderOfTerm.leader === state.selfId) {
    dropUncommittedOf(state, term);
  }
  // A disk that hangs has too many terms to store already: then theirs goes on, and we follow neither.
  const goesOn = !state.isBehindWithTerms && hasNextTerm(state);
  if (state.guarded("term-beacon") && goesOn) adoptTerm(state, term + 1);
  else if (state.isLeader) stepDown(state, null);
  beaconTo(state, peer, theirs);
}
