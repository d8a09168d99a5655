import type { RaftState } from "./state.js";

/** Becomes a follower, of `leader` where it is known. Whatever led or campaigned ends here. */
export function stepDown(state: RaftState, leader: string | null): void {
  const led = state.isLeader;
  state.round = null;
  state.preVotes = null;
  state.inquest = null;
  state.votes.clear();
  state.uncommittedBytes = 0;
  if (state.transfer !== null) state.transfer = null;
  if (led) {
    for (const [peer, progress] of state.progress) {
      if (progress.mode === "snapshot") state.emit({ kind: "cancel-snapshot", to: peer });
    }
    state.resetElectionDeadline();
  }
  state.setRole("follower", leader);
}

/** A higher term was seen: it becomes ours, without a vote, and we follow nobody yet. */
export function adoptTerm(state: RaftState, term: number): void {
  state.setTerm(term, null);
  state.leaderOfTerm = null;
  stepDown(state, null);
}
