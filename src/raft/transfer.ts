import { failReason } from "../../protocol/wire/messages.js";
import { considerCampaign } from "./campaign.js";
import { raftLimits } from "./limits.js";
import { stepDown } from "./role.js";
import type { RaftState } from "./state.js";
import { isAtLeast } from "./version-order.js";

/** Hands leadership over, to `target` or to the best follower. Upstream: transferLeadership, 0.3.16. */
export function onTransfer(state: RaftState, target: string | null, id: number): void {
  const error = startTransfer(state, target);
  if (error === null) {
    const { term } = state;
    const outcome = { appended: true, index: state.log.lastIndex, term } as const;
    state.emit({ kind: "answer", id, outcome, after: 0 });
  } else {
    state.emit({ kind: "answer", id, outcome: { appended: false, error }, after: 0 });
  }
}

function startTransfer(state: RaftState, wanted: string | null): number | null {
  if (!state.isLeader || state.inquest !== null) return failReason.notLeader;
  const target = wanted ?? bestTarget(state);
  if (target !== null && isReady(state, target)) {
    handTo(state, target);
    return null;
  }
  // Under load nobody is ever level with a log that grows on: it does not from now on, and whoever
  // has caught up first takes over.
  if (wanted !== null || !state.connectedMembers().some((member) => isNearlyReady(state, member))) {
    return failReason.requestDenied;
  }
  state.transfer = { target: null, deadlineMs: state.nowMs + raftLimits.transferMsMax };
  return null;
}

/** Leads and campaigns no more: who could take over at once is asked to, the others time out. */
export function giveUp(state: RaftState): void {
  const target = state.isLeader && state.inquest === null ? bestTarget(state) : null;
  if (target !== null) handTo(state, target);
  stepDown(state, null);
}

/** A follower has told how far it is. */
export function goOnWithTransfer(state: RaftState): void {
  if (state.transfer === null || state.transfer.target !== null) return;
  const target = bestTarget(state);
  if (target !== null) handTo(state, target);
}

function handTo(state: RaftState, target: string): void {
  state.transfer = { target, deadlineMs: state.nowMs + raftLimits.transferMsMax };
  state.note("info", "transfer", `handing leadership of term ${state.term} over to ${target}`);
  state.sendAfterMeta([target], { type: "timeout_now", term: state.term });
}

/**
 * A follower that holds our whole log and understands timeout_now: a Quorate one first. One that did not take
 * over when it was asked (it may be held back, or wait for a full disk) comes behind all others.
 */
function bestTarget(state: RaftState): string | null {
  const all = state.connectedMembers().filter((member) => isReady(state, member));
  const others = all.filter((member) => !state.tookNotOver.has(member));
  if (others.length === 0 && all.length > 0) state.tookNotOver.clear();
  const ready = others.length === 0 ? all : others;
  const quorate = ready.find((member) => state.peers.get(member)?.isQuorate === true);
  return quorate ?? ready[0] ?? null;
}

function isReady(state: RaftState, member: string): boolean {
  return (
    state.members.has(member) &&
    state.connected.has(member) &&
    state.progress.get(member)?.matchIndex === state.log.lastIndex &&
    understandsTransfer(state, member)
  );
}

/** It takes our entries as they come, and lacks no more than those under way. */
function isNearlyReady(state: RaftState, member: string): boolean {
  return state.progress.get(member)?.mode === "replicate" && understandsTransfer(state, member);
}

function understandsTransfer(state: RaftState, member: string): boolean {
  const known = state.peers.get(member);
  if (known?.isQuorate === true) return true;
  const version = known?.status?.version;
  return version !== undefined && isAtLeast(version, [0, 3, 16]);
}

/** The leader asks us to take over. Only from the leader that we follow, as upstream checks. */
export function onTimeoutNow(state: RaftState, from: string, term: number): void {
  if (term < state.term || from !== state.leader || state.isLeader) return;
  state.transferringToSelf = true;
  considerCampaign(state);
}
