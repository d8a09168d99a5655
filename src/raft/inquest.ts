import type { NextNodeIdx } from "../../protocol/wire/messages.js";
import { isMajorityPartOfOurs, mayBeLedTwice } from "./guards/forgetful-voters.js";
import { termsNear, termsToTry } from "./guards/look-before-truncate.js";
import { lead } from "./leader.js";
import { raftLimits } from "./limits.js";
import { stepDown } from "./role.js";
import type { LogEnd, RaftState } from "./state.js";

/** A new leader's look at the logs of its peers, before it appends or sends anything real. */
export interface Inquest {
  readonly startedMs: number;
  /** Peers that have not told their last index yet. */
  readonly waiting: Set<string>;
  /** Peers with a longer log: how many probes with lower terms are still to be answered. */
  readonly probing: Map<string, number>;
  readonly voters: ReadonlySet<string>;
  /** Voters that were told their own last term, and have not shown yet that their logs still end so. */
  readonly claims: Map<string, LogEnd>;
  readonly forgetful: ReadonlySet<string>;
  /** Quorate peers that are asked last whether they hold our last entry: a match cuts nothing there. */
  readonly holding: Set<string>;
  /** Peers that are being asked whether their logs end in this term, and those that have shown it. */
  readonly showing: Map<string, number>;
  readonly shown: Set<string>;
  /** Peers whose logs look like the beginning of ours, and end in this term, which was led twice. */
  readonly ledTwice: Map<string, number>;
  /** Forgetful peers whose logs are longer than ours: a probe there could cut what is committed. */
  readonly longer: Set<string>;
}

/**
 * @returns false where there is nothing to look at: a cluster of Quorate members alone, whose logs
 * hold no term dip, has no use for it.
 */
export function startInquest(state: RaftState): boolean {
  if (!state.guarded("look-before-truncate")) return false;
  const claims = new Map([...state.claims].filter(([peer]) => state.votes.has(peer)));
  const peers = state
    .connectedMembers()
    .filter(
      (peer) =>
        state.log.hasTermDip || claims.has(peer) || state.peers.get(peer)?.isQuorate !== true,
    );
  if (peers.length === 0 && claims.size === 0) return false;
  state.inquest = {
    startedMs: state.nowMs,
    waiting: new Set(peers),
    probing: new Map(),
    voters: new Set(state.votes),
    claims,
    forgetful: new Set([...state.members].filter((peer) => isForgetful(state, peer))),
    holding: new Set(),
    showing: new Map(),
    shown: new Set(),
    ledTwice: new Map(),
    longer: new Set(),
  };
  state.role = "leader";
  state.resetElectionDeadline();
  state.nextHeartbeatMs = state.nowMs + state.config.heartbeatMs;
  for (const peer of peers) probe(state, peer, raftLimits.unreachableIndex, 0);
  return true;
}

function isForgetful(state: RaftState, peer: string): boolean {
  const known = state.peers.get(peer);
  return known?.isForgetful === true && !known.isQuorate;
}

/** An empty append_entries. Its commit index is 1, so that even a match commits nothing. */
function probe(state: RaftState, peer: string, prevLogIdx: number, prevLogTerm: number): void {
  state.sendAfterMeta([peer], {
    type: "append_entries",
    term: state.term,
    commitIndex: 1,
    prevLogIdx,
    prevLogTerm,
    entries: [],
  });
  state.progress.get(peer)?.sent(0, state.nowMs);
}

/** An answer while the inquest is under way. */
export function onInquestAnswer(state: RaftState, from: string, message: NextNodeIdx): void {
  const inquest = state.inquest;
  const progress = state.progress.get(from);
  if (inquest === null || progress === undefined) return;
  if (!progress.answered(state.nowMs)) {
    // That was an answer to an earlier leadership; ask again in case ours was counted as one.
    if (inquest.waiting.has(from)) probe(state, from, raftLimits.unreachableIndex, 0);
    return;
  }
  if (inquest.waiting.delete(from)) onLastIndex(state, inquest, from, message.nextNodeIdx - 1);
  else if (inquest.holding.delete(from)) onHeld(state, inquest, from, message);
  else onProbed(state, inquest, from, message.success);
  if (state.inquest === inquest) conclude(state, inquest);
}

function onLastIndex(state: RaftState, inquest: Inquest, from: string, lastIndex: number): void {
  noteLastIndex(state, from, lastIndex);
  const claim = inquest.claims.get(from);
  if (claim === undefined) {
    if (inquest.forgetful.has(from)) lookAt(state, inquest, from, lastIndex);
    else if (lastIndex > state.log.lastIndex && !startProbes(state, inquest, from)) {
      giveWay(state, from);
    }
  } else if (claim.lastIndex === lastIndex) askForEnd(state, inquest, from, claim);
  else rejectVote(state, from);
}

/** Whether a forgetful peer's log is part of ours. */
function lookAt(state: RaftState, inquest: Inquest, peer: string, lastIndex: number): void {
  const lastTerm = state.log.termAt(lastIndex);
  if (lastIndex > state.log.lastIndex) inquest.longer.add(peer);
  else if (lastTerm !== null) askForEnd(state, inquest, peer, { lastIndex, lastTerm });
  // It ends within what our dump holds.
  else inquest.shown.add(peer);
}

/** Nothing stands behind this entry that a match could cut. */
function askForEnd(
  state: RaftState,
  inquest: Inquest,
  peer: string,
  { lastIndex, lastTerm }: LogEnd,
): void {
  inquest.showing.set(peer, lastTerm);
  inquest.probing.set(peer, 1);
  probe(state, peer, lastIndex, lastTerm);
}

function onProbed(state: RaftState, inquest: Inquest, from: string, success: boolean): void {
  const left = inquest.probing.get(from);
  if (left === undefined) return;
  const lastTerm = inquest.showing.get(from);
  const isShowing = inquest.showing.delete(from);
  if (success || isShowing) inquest.probing.delete(from);
  const claim = inquest.claims.get(from);
  // It ends as was claimed. Where ours is another entry there, its log is none of ours.
  const isOurs = claim === undefined || state.log.termAt(claim.lastIndex) === claim.lastTerm;
  if (success && isOurs && lastTerm !== undefined) {
    if (mayBeLedTwice(state, lastTerm)) inquest.ledTwice.set(from, lastTerm);
    else inquest.shown.add(from);
  }
  if (success) inquest.claims.delete(from);
  else if (inquest.claims.has(from)) rejectVote(state, from);
  else if (isShowing) return;
  else if (left > 1) inquest.probing.set(from, left - 1);
  else if (!askWhetherHeld(state, inquest, from)) giveWay(state, from);
}

/**
 * It has another entry at our last index than one of the terms that we know, or holds ours. A stale log can have
 * gone on there in a term above all of ours, so one that can be asked without harm is asked.
 */
function askWhetherHeld(state: RaftState, inquest: Inquest, peer: string): boolean {
  if (state.peers.get(peer)?.isQuorate !== true) return false;
  inquest.holding.add(peer);
  inquest.probing.set(peer, 1);
  probe(state, peer, state.log.lastIndex, state.log.lastTerm);
  return true;
}

function onHeld(state: RaftState, inquest: Inquest, from: string, message: NextNodeIdx): void {
  inquest.probing.delete(from);
  // Behind our last entry it asks for more where its dump holds all up to there.
  const isInDump = message.nextNodeIdx > state.log.lastIndex;
  if (message.success || isInDump) giveWay(state, from, null);
}

/** Of an end that it had shown before we know no term any more. */
function noteLastIndex(state: RaftState, peer: string, lastIndex: number): void {
  const known = state.knowledge(peer);
  if (known.lastIndex !== lastIndex) known.lastTerm = 0;
  known.lastIndex = lastIndex;
}

/**
 * The peer has voted because we claimed the last term that it had shown, and its log does not end there
 * any more: what it has taken since then may be committed, and we lack it.
 */
function rejectVote(state: RaftState, peer: string): void {
  state.note(
    "warn",
    "claim-outdated",
    `${peer} voted by a log end that it had shown and that is not known to be its own any more: ` +
      `stepping down in term ${state.term}`,
  );
  Object.assign(state.knowledge(peer), { lastIndex: 0, lastTerm: 0 });
  stepDown(state, null);
  // Whoever holds more shows it by a campaign of its own.
  state.electionDeadlineMs = state.nowMs + 2 * state.config.electionTimeoutMsMax;
}

function triedOf(state: RaftState, peer: string): number[] {
  const { maxTerm: from, lastTerm: except } = state.log;
  return termsToTry(state.log, { from, except, near: termsNear(state, peer) });
}

/** @returns false where our last term is the only one: the peer's log cannot but extend ours. */
function startProbes(state: RaftState, inquest: Inquest, peer: string): boolean {
  const terms = triedOf(state, peer);
  if (terms.length === 0) return false;
  inquest.probing.set(peer, terms.length);
  for (const term of terms) probe(state, peer, state.log.lastIndex, term);
  return true;
}

/**
 * The peer holds our last entry and more: append nothing, and let it lead.
 *
 * @param tried Terms that it has not at our last index; null: it has shown that it holds ours.
 */
function giveWay(
  state: RaftState,
  peer: string,
  tried: readonly number[] | null = triedOf(state, peer),
): void {
  state.note(
    "warn",
    "gave-way",
    `${peer} holds our whole log and more: stepping down in term ${state.term} so that it leads`,
  );
  stepDown(state, null);
  // It campaigns within one election timeout; ours must not come before that.
  state.electionDeadlineMs = state.nowMs + 2 * state.config.electionTimeoutMsMax;
  state.gaveWay = {
    to: peer,
    untilMs: state.electionDeadlineMs,
    tried: tried === null ? null : new Set(tried),
  };
}

export function inquestTick(state: RaftState): void {
  const inquest = state.inquest;
  if (inquest === null) return;
  for (const peer of [...inquest.waiting, ...inquest.probing.keys()]) {
    if (state.connected.has(peer)) continue;
    inquest.waiting.delete(peer);
    inquest.probing.delete(peer);
  }
  if (state.nowMs - inquest.startedMs > raftLimits.inquestMsMax) {
    const silent = [...inquest.waiting, ...inquest.probing.keys(), ...inquest.claims.keys()];
    // A voter told us by its vote that it lives; without its answer we do not know what we would cut.
    const missing = silent.filter((peer) => inquest.voters.has(peer));
    if (missing.length > 0) {
      state.note("warn", "inquest-unanswered", `${missing.join(", ")} did not show their logs`);
      stepDown(state, null);
      return;
    }
    if (isMajorityPartOfOurs(state, inquest)) lead(state);
    else giveUp(state, inquest);
    return;
  }
  conclude(state, inquest);
  if (state.inquest !== null && state.nowMs >= state.nextHeartbeatMs) keepQuiet(state, inquest);
}

/**
 * A peer that hangs keeps us waiting for longer than the others wait for a leader: without a word
 * from us they would campaign meanwhile, and the next leader would wait for that peer as well.
 */
function keepQuiet(state: RaftState, { waiting, probing }: Inquest): void {
  state.nextHeartbeatMs = state.nowMs + state.config.heartbeatMs;
  for (const peer of state.connectedMembers()) {
    // Whoever owes an answer is not asked more: answers are told apart by their number.
    if (waiting.has(peer) || probing.has(peer)) continue;
    probe(state, peer, raftLimits.unreachableIndex, 0);
  }
}

/** A vote that was not needed to win can be the one that can be believed. */
export function onLateVote(state: RaftState, inquest: Inquest): void {
  conclude(state, inquest);
}

function conclude(state: RaftState, inquest: Inquest): void {
  if (inquest.waiting.size > 0 || inquest.probing.size > 0) return;
  const [unseen] = inquest.claims.keys();
  if (unseen !== undefined) rejectVote(state, unseen);
  // Otherwise the vote of one that does not forget may still be on its way.
  else if (isMajorityPartOfOurs(state, inquest)) {
    if (inquest.longer.size === 0) lead(state);
    else lookAtLonger(state, inquest);
  }
}

/** Nothing in them can be committed: a majority lacks it. One that goes on where ours ends may lead. */
function lookAtLonger(state: RaftState, inquest: Inquest): void {
  const peers = [...inquest.longer];
  inquest.longer.clear();
  for (const peer of peers) {
    if (state.inquest === inquest && !startProbes(state, inquest, peer)) giveWay(state, peer);
  }
}

/**
 * What the forgetful ones hold may be committed between themselves, and so may ours be. A member that
 * is away now knows more.
 */
function giveUp(state: RaftState, { forgetful, shown, ledTwice }: Inquest): void {
  // It is so at each election, until a third member is there or somebody steps in.
  for (const [peer, lastTerm] of ledTwice) state.unprovenLog = { peer, lastTerm };
  const unshown = [...forgetful].filter((peer) => !shown.has(peer));
  state.note(
    "warn",
    "forgetful-voter",
    `the vote of a member that forgets its term is no proof, and its log is not known to be part ` +
      `of ours (${unshown.join(", ")}): stepping down in term ${state.term}`,
  );
  stepDown(state, null);
  state.electionDeadlineMs = state.nowMs + 2 * state.config.electionTimeoutMsMax;
}
