import { encodeNoOp } from "../../protocol/log/commands.js";
import { advanceLeaderCommit, uncommittedBytes } from "./commit.js";
import { replicate } from "./replicate.js";
import { stepDown } from "./role.js";
import type { RaftState } from "./state.js";
import { electionsOver } from "./vain-elections.js";

/** The peers' logs hold nothing that we would destroy: append the no-op and lead. */
export function lead(state: RaftState): void {
  state.inquest = null;
  state.gaveWay = null;
  state.unprovenLog = null;
  state.laterEnd = null;
  electionsOver(state);
  state.tookNotOver.clear();
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
  state.cuts.forget();
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
  endTransfer(state);
  if (state.nowMs >= state.nextHeartbeatMs) heartbeat(state);
  else if (state.nowMs >= state.waitingDueMs) replicate(state, false);
}

/** Whoever was asked to take over has not done so: we lead on, and ask another one the next time. */
function endTransfer(state: RaftState): void {
  const { transfer } = state;
  if (transfer === null || state.nowMs < transfer.deadlineMs) return;
  state.transfer = null;
  if (transfer.target === null) return;
  state.tookNotOver.add(transfer.target);
  state.note("info", "transfer", `${transfer.target} has not taken over`);
}

function hearsMajority(state: RaftState): boolean {
  const since = state.nowMs - state.config.leaderFallbackMs;
  let heard = 1;
  for (const member of state.members) {
    if ((state.progress.get(member)?.lastAnswerMs ?? 0) >= since) heard += 1;
  }
  return heard >= state.majority;
}
