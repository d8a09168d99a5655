import type { NextNodeIdx } from "../../protocol/wire/messages.js";
import { termsToTry } from "./guards/look-before-truncate.js";
import { lead } from "./leader.js";
import { raftLimits } from "./limits.js";
import { stepDown } from "./role.js";
import type { RaftState } from "./state.js";

/** A new leader's look at the logs of its peers, before it appends or sends anything real. */
export interface Inquest {
  readonly startedMs: number;
  /** Peers that have not told their last index yet. */
  readonly waiting: Set<string>;
  /** Peers with a longer log: how many probes with lower terms are still to be answered. */
  readonly probing: Map<string, number>;
  readonly voters: ReadonlySet<string>;
}

/**
 * @returns false where there is nothing to look at: a cluster of Quorate members alone, whose logs
 * hold no term dip, has no use for it.
 */
export function startInquest(state: RaftState): boolean {
  if (!state.guarded("look-before-truncate")) return false;
  const peers = state
    .connectedMembers()
    .filter((peer) => state.log.hasTermDip || state.peers.get(peer)?.isQuorate !== true);
  if (peers.length === 0) return false;
  state.inquest = {
    startedMs: state.nowMs,
    waiting: new Set(peers),
    probing: new Map(),
    voters: new Set(state.votes),
  };
  state.role = "leader";
  state.resetElectionDeadline();
  state.nextHeartbeatMs = state.nowMs + state.config.heartbeatMs;
  for (const peer of peers) probe(state, peer, raftLimits.unreachableIndex, 0);
  return true;
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
  if (inquest.waiting.delete(from)) {
    const lastIndex = message.nextNodeIdx - 1;
    state.knowledge(from).lastIndex = lastIndex;
    if (lastIndex > state.log.lastIndex && !startProbes(state, inquest, from)) {
      giveWay(state, from);
      return;
    }
  } else {
    const left = inquest.probing.get(from);
    if (left === undefined) return;
    if (message.success) inquest.probing.delete(from);
    else if (left > 1) inquest.probing.set(from, left - 1);
    else {
      giveWay(state, from);
      return;
    }
  }
  conclude(state, inquest);
}

/** @returns false where no term is below our last one: the peer's log cannot but extend ours. */
function startProbes(state: RaftState, inquest: Inquest, peer: string): boolean {
  const terms = termsToTry(state.log.lastTerm);
  if (terms.length === 0) return false;
  inquest.probing.set(peer, terms.length);
  for (const term of terms) probe(state, peer, state.log.lastIndex, term);
  return true;
}

/** The peer holds our last entry and more: append nothing, and let it lead. */
function giveWay(state: RaftState, peer: string): void {
  state.note(
    "warn",
    "gave-way",
    `${peer} holds our whole log and more: stepping down in term ${state.term} so that it leads`,
  );
  stepDown(state, null);
  // It campaigns within one election timeout; ours must not come before that.
  state.electionDeadlineMs = state.nowMs + 2 * state.config.electionTimeoutMsMax;
  state.gaveWay = { to: peer, untilMs: state.electionDeadlineMs };
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
    const silent = [...inquest.waiting, ...inquest.probing.keys()];
    // A voter told us by its vote that it lives; without its answer we do not know what we would cut.
    const missing = silent.filter((peer) => inquest.voters.has(peer));
    if (missing.length > 0) {
      state.note("warn", "inquest-unanswered", `${missing.join(", ")} did not show their logs`);
      stepDown(state, null);
      return;
    }
    lead(state);
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

function conclude(state: RaftState, inquest: Inquest): void {
  if (inquest.waiting.size === 0 && inquest.probing.size === 0) lead(state);
}
