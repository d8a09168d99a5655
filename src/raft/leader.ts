import { encodeNoOp } from "../../protocol/log/commands.js";
import { advanceLeaderCommit, uncommittedBytes } from "./commit.js";
import { replicate } from "./replicate.js";
import { stepDown } from "./role.js";
import type { RaftState } from "./state.js";

/** The peers' logs hold nothing that we would destroy: append the no-op and lead. */
export function lead(state: RaftState): void {
  state.inquest = null;
  state.gaveWay = null;
  state.unprovenLog = null;
  state.laterEnd = null;
  state.setRole("leader", state.selfId);
  state.uncommittedBytes = uncommittedBytes(state);
  state.membershipChangeIndex = 0;
  const index = state.log.lastIndex + 1;
  state.noOpIndex = index;
  state.appendEntries([{ index, term: state.term, command: encodeNoOp() }]);
  for (const progress of state.progress.values()) {
    progress.nextIndex = index;
    progress.lastAnswerMs = state.nowMs;
  }
  heartbeat(state);
  advanceLeaderCommit(state);
}

function heartbeat(state: RaftState): void {
  state.nextHeartbeatMs = state.nowMs + state.config.heartbeatMs;
  replicate(state, true);
}

export function leaderTick(state: RaftState): void {
  if (state.inquest !== null) return;
  if (!hearsMajority(state)) {
    state.note(
      "warn",
      "leader-without-majority",
      `no majority has answered for ${state.config.leaderFallbackMs} ms: stepping down`,
    );
    stepDown(state, null);
    return;
  }
  if (state.transfer !== null && state.nowMs >= state.transfer.deadlineMs) state.transfer = null;
  if (state.nowMs >= state.nextHeartbeatMs) heartbeat(state);
  else if (state.nowMs >= state.waitingDueMs) replicate(state, false);
}

function hearsMajority(state: RaftState): boolean {
  const since = state.nowMs - state.config.leaderFallbackMs;
  let heard = 1;
  for (const member of state.members) {
    if ((state.progress.get(member)?.lastAnswerMs ?? 0) >= since) heard += 1;
  }
  return heard >= state.majority;
}
