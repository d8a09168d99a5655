import { startInquest } from "./inquest.js";
import { lead } from "./leader.js";
import { Progress } from "./progress.js";
import type { RaftState } from "./state.js";

/** A majority has voted for us. Nothing is appended before the peers' logs have been looked at. */
export function winElection(state: RaftState): void {
  state.round = null;
  state.preVotes = null;
  state.transferringToSelf = false;
  state.leaderOfTerm = { term: state.term, leader: state.selfId };
  const next = state.log.lastIndex + 1;
  const before = new Map(state.progress);
  state.progress.clear();
  for (const peer of [...state.members, ...state.observers]) {
    const progress = new Progress(next, state.nowMs);
    const old = before.get(peer);
    // A voter has answered everything that we sent before we asked for its vote.
    const mayBeStale = old !== undefined && !state.votes.has(peer);
    if (mayBeStale) progress.staleAnswers = old.staleAnswers + old.unanswered;
    state.progress.set(peer, progress);
  }
  if (!startInquest(state)) lead(state);
}
