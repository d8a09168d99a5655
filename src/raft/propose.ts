import { commandType } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import { failReason } from "../../protocol/wire/messages.js";
import { raftLimits } from "./limits.js";
import { isBeyondLog } from "./log-bound.js";
import { membershipOf } from "./membership.js";
import { removalRefusal } from "./removal.js";
import { replicate } from "./replicate.js";
import type { RaftState } from "./state.js";
import type { Proposal, ProposalOrigin } from "./types.js";

/** Proposals, from here or from other members and observers. The leader appends; nobody else does. */
export function onPropose(state: RaftState, proposals: readonly Proposal[]): void {
  const accepted: { origin: ProposalOrigin; index: number }[] = [];
  let fresh: Entry[] = [];
  let freshBytes = 0;
  let isFull = false;
  for (const { command, origin } of proposals) {
    // A small one behind one that was too large may have been judged as if that had been appended.
    const error: number | null = isFull
      ? failReason.queueFull
      : refusal(state, command, { count: fresh.length, bytes: freshBytes });
    if (error !== null) {
      isFull = error === failReason.queueFull;
      reject(state, origin, error);
      continue;
    }
    const index = state.log.lastIndex + fresh.length + 1;
    fresh.push({ index, term: state.term, command });
    freshBytes += command.length + raftLimits.entryHeldBytes;
    state.uncommittedBytes += command.length;
    accepted.push({ origin, index });
    if (command[0] === commandType.membership) {
      // It takes effect when it is appended: what follows in this batch is judged with the new set.
      state.appendEntries(fresh);
      fresh = [];
      freshBytes = 0;
      state.membershipChangeIndex = index;
    }
  }
  state.appendEntries(fresh);
  for (const { origin, index } of accepted) accept(state, origin, index);
  if (accepted.length > 0) replicate(state, false);
}

/** What follows the log when all of a batch is judged. */
interface Pending {
  readonly count: number;
  readonly bytes: number;
}

function refusal(state: RaftState, command: Uint8Array, pending: Pending): number | null {
  if (state.role !== "leader" || state.inquest !== null) {
    return state.leader === null || state.isLeader
      ? failReason.missingLeader
      : failReason.notLeader;
  }
  if (state.transfer !== null || !state.diskUsable || state.halted) return failReason.notLeader;
  if (isFull(state, command, pending)) return failReason.queueFull;
  // Applying an empty command raises in every vanilla member.
  if (command.length === 0) return failReason.requestDenied;
  // Followers do not take it, so that it could never be committed.
  if (command.length > state.entryBytesMax) return failReason.requestDenied;
  if (command[0] === commandType.membership) return membershipRefusal(state, command);
  return null;
}

/** Followers would not take more before it is committed, and nobody before a dump makes the log shorter. */
function isFull(state: RaftState, { length }: Uint8Array, pending: Pending): boolean {
  const { uncommittedBytes, uncommittedShare: share, log, commitIndex } = state;
  if (uncommittedBytes + length > share * raftLimits.uncommittedBytesMax) return true;
  const entries = log.lastIndex + pending.count - commitIndex;
  if (entries >= share * raftLimits.uncommittedEntriesMax) return true;
  return isBeyondLog(state, pending.bytes + length);
}

/** One change at a time, after this leadership's no-op is applied. Upstream: SyncObj.__changeCluster. */
function membershipRefusal(state: RaftState, command: Uint8Array): number | null {
  const change = membershipOf(command);
  if (change === null || change.address === state.selfId) return failReason.requestDenied;
  if (state.lastApplied < state.noOpIndex || state.lastApplied < state.membershipChangeIndex) {
    return failReason.requestDenied;
  }
  const isMember = state.members.has(change.address);
  if (isMember === (change.change === "add")) return failReason.requestDenied;
  if (change.change === "add") return additionRefusal(state, change.address);
  const why = removalRefusal(state, change.address);
  if (why === null) return null;
  state.note("warn", "removal-refused", why);
  return failReason.requestDenied;
}

function additionRefusal(state: RaftState, address: string): number | null {
  if (state.members.size + 1 < raftLimits.membersMax) return null;
  const text = `${address} is not let in: there are ${raftLimits.membersMax} members, more than a cluster needs`;
  state.note("warn", "members-too-many", text);
  return failReason.requestDenied;
}

/** The answer tells that we hold the entry: it leaves when the entry is durable here. */
function accept(state: RaftState, origin: ProposalOrigin, index: number): void {
  const { term, logSeq: after } = state;
  if (origin.kind === "local") {
    state.emit({ kind: "answer", id: origin.id, outcome: { appended: true, index, term }, after });
  } else if (origin.kind === "remote") {
    const { from, requestId } = origin;
    const progress = state.progress.get(from);
    if (progress !== undefined) progress.proposedMs = state.nowMs;
    state.emit({
      kind: "send",
      to: [from],
      message: { type: "apply_command_response", requestId, logIdx: index, logTerm: term },
      after,
    });
  }
}

export function reject(state: RaftState, origin: ProposalOrigin, error: number): void {
  if (origin.kind === "local") {
    state.emit({ kind: "answer", id: origin.id, outcome: { appended: false, error }, after: 0 });
  } else if (origin.kind === "remote") {
    const { requestId } = origin;
    state.sendAfterMeta([origin.from], { type: "apply_command_response", requestId, error });
  }
}
