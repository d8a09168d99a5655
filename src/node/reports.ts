import type { PyValue } from "../../protocol/pickle/values.js";
import type { MemberInfo, MemberStatus } from "../../protocol/wire/utility.js";
import { laterEndCode, laterEndText } from "../raft/guards/covered-claim.js";
import { leavingMembers } from "../raft/history.js";
import { isLogFull, logFullText } from "../raft/log-bound.js";
import type { RaftState } from "../raft/state.js";
import { refusedCode, tooLargeText } from "../raft/too-large.js";
import { keyToText, toJson } from "../store/json-view.js";
import type { StoreSnapshot } from "../store/snapshot.js";
import type { Store } from "../store/store.js";
import { type HeldBack, heldBackCode, heldBackText } from "./data-bound.js";
import { fullText } from "./data-quota.js";
import type { MemberNetwork } from "./environment.js";
import { nodeLimits } from "./limits.js";
import {
  type DegradedReason,
  type KvEntryReport,
  type KvReport,
  type MemberReport,
  type PeerKind,
  refetchingCode,
  type StatusReport,
} from "./member-types.js";
import type { Notes } from "./notes.js";
import { quorateVersion } from "./version.js";

export interface ReportSources {
  readonly state: RaftState;
  readonly network: Pick<MemberNetwork, "counters" | "isConnected">;
  readonly notes: Notes;
  readonly uptimeMs: number;
  /** Seconds since 1970. */
  readonly wallSec: number;
  readonly codeVersion: number;
  /** What the store's data come to, and what they may. */
  readonly dataBytes: number;
  readonly dataBytesMax: number;
  /** What is committed and not applied. */
  readonly heldBack: HeldBack | null;
}

const stateNumber = { follower: 0, candidate: 1, leader: 2 } as const;

/** What a vanilla member tells when asked for `['status']`, and a little more. */
export function wireStatus(sources: ReportSources): MemberStatus {
  const { state, network } = sources;
  const next = new Map<string, number>();
  const match = new Map<string, number>();
  for (const [peer, progress] of state.progress) {
    next.set(peer, progress.nextIndex);
    match.set(peer, progress.matchIndex);
  }
  return {
    version: quorateVersion,
    revision: "quorate",
    self: state.selfId,
    state: stateNumber[state.role],
    leader: state.leader,
    hasQuorum: state.connectedMembers().length + 1 >= state.majority,
    partners: [...state.members].map((address) => ({
      address,
      connected: network.isConnected(address),
    })),
    observers: [...state.observers].map((address) => ({ address, connected: true })),
    logLen: state.log.length,
    lastApplied: state.lastApplied,
    commitIdx: state.commitIndex,
    raftTerm: state.shownBallot.term,
    nextNodeIdx: next,
    matchIdx: match,
    leaderCommitIdx: state.leader === null ? null : state.commitIndex,
    uptimeSec: Math.floor(sources.uptimeMs / 1000),
    selfCodeVersion: 0,
    enabledCodeVersion: sources.codeVersion,
    extra: new Map<string, PyValue>([
      ["quorate_version", quorateVersion],
      ["quorate_time_ms", Math.floor(sources.wallSec * 1000)],
      ["quorate_last_index", state.log.lastIndex],
      ["quorate_last_term", state.log.lastTerm],
      ["quorate_leaving", leavingMembers(state)],
      [
        "quorate_degraded",
        [...sources.notes.degraded(), ...tooMuch(sources)].map(({ code }) => code),
      ],
    ]),
  };
}

/** Patroni's `['members']` (DynMemberSyncObj.getMembers): the others, then ourselves. */
export function memberList({ state, network }: ReportSources): MemberInfo[] {
  const others = [...state.members].map((address) => ({
    address,
    leader: state.leader === address,
    connected: network.isConnected(address),
  }));
  return [...others, { address: state.selfId, leader: state.isLeader, connected: true }];
}

export function statusReport(sources: ReportSources): StatusReport {
  const { state, network, notes } = sources;
  const self: MemberReport = {
    address: state.selfId,
    self: true,
    connected: true,
    matchIndex: state.isLeader ? state.durableIndex : null,
    nextIndex: state.isLeader ? state.log.lastIndex + 1 : null,
    version: quorateVersion,
    kind: "quorate",
  };
  const others = [...state.members].sort().map((address) => memberReport(sources, address));
  return {
    self: state.selfId,
    version: quorateVersion,
    role: state.role,
    leader: state.leader,
    term: state.shownBallot.term,
    vote: state.shownBallot.votedFor,
    commitIndex: state.commitIndex,
    appliedIndex: state.lastApplied,
    lastIndex: state.log.lastIndex,
    lastLogTerm: state.log.lastTerm,
    members: [self, ...others],
    observers: state.observers.size,
    uptimeMs: Math.round(sources.uptimeMs),
    degraded: [
      ...notes.degraded(),
      ...(state.showsMissing ? [{ code: refetchingCode, message: refetching(state) }] : []),
      ...unprovenLog(state),
      ...laterEnd(state),
      ...tooMuch(sources),
    ],
    counters: { ...network.counters(), ...notes.counters() },
  };
}

function refetching({ forgotTerm }: RaftState): string {
  const waits = "waits for a leader to bring it up to date: no vote";
  return forgotTerm
    ? `${waits}, and follows nobody before enough others have told their terms`
    : waits;
}

/** Without a word here nobody would know why there is no leader, nor what to do. */
function unprovenLog({ unprovenLog: unproven }: RaftState): DegradedReason[] {
  if (unproven === null) return [];
  const { peer, lastTerm } = unproven;
  const message =
    `does not lead with the vote of ${peer}: that member forgets its term, and its log ends in term ` +
    `${lastTerm}, which was led twice, so that nobody can tell whether it is the beginning of ours. Start ` +
    "the members that are away. Where none of them comes back, compare the files of the two (quorate " +
    `doctor DIR DIR); where ${peer} has nothing that is missing here, start it with an empty directory`;
  return [{ code: "forgetful-voter", message }];
}

function laterEnd({ laterEnd: end }: RaftState): DegradedReason[] {
  return end === null ? [] : [{ code: laterEndCode, message: laterEndText(end) }];
}

/** All that has to do with a bound on what is held. */
function tooMuch(sources: ReportSources): DegradedReason[] {
  return [...tooLarge(sources.state), ...notApplied(sources), ...full(sources)];
}

function notApplied({ heldBack }: ReportSources): DegradedReason[] {
  return heldBack === null ? [] : [{ code: heldBackCode, message: heldBackText(heldBack) }];
}

function tooLarge(state: RaftState): DegradedReason[] {
  const { tooLarge: refused } = state;
  if (refused !== null)
    return [{ code: refusedCode(refused.what), message: tooLargeText(refused) }];
  return isLogFull(state) ? [{ code: refusedCode("log"), message: logFullText(state) }] : [];
}

/** So do all members say that hold the same, whoever leads them: before the last write is refused. */
function full({ dataBytes, dataBytesMax }: ReportSources): DegradedReason[] {
  if (dataBytes <= dataBytesMax * nodeLimits.nearlyFullShare) return [];
  return [{ code: "data-full", message: fullText(dataBytes, dataBytesMax) }];
}

function memberReport({ state, network }: ReportSources, address: string): MemberReport {
  const progress = state.isLeader ? state.progress.get(address) : undefined;
  const known = state.peers.get(address);
  let kind: PeerKind = "unknown";
  if (known?.isQuorate === true) kind = "quorate";
  else if (known !== undefined && known.status !== null) kind = "vanilla";
  return {
    address,
    self: false,
    connected: network.isConnected(address),
    matchIndex: progress?.matchIndex ?? null,
    nextIndex: progress?.nextIndex ?? null,
    version: known?.status?.version ?? null,
    kind,
  };
}

/** How many keys are looked at before the reader gets a chance to pause. */
const keysPerLook = 256;

/** This member's own applied state, read at the reader's pace and still as of now. */
export function kvReport(store: Store, appliedIndex: number, prefix: string): KvReport {
  const snapshot = store.beginSnapshot();
  const walk = kvEntries(snapshot, prefix);
  const entries: KvReport["entries"] = {
    next: () => walk.next(),
    // A generator that was never started would skip its own clean-up.
    return: () => {
      snapshot.end();
      return walk.return();
    },
    [Symbol.iterator]: () => entries,
  };
  return { appliedIndex, entries };
}

function* kvEntries(
  snapshot: StoreSnapshot,
  prefix: string,
): Generator<readonly [string, KvEntryReport] | null, void, undefined> {
  let looked = 0;
  try {
    for (const step of snapshot.steps) {
      looked += 1;
      if (step === null || looked % keysPerLook === 0) yield null;
      if (step === null) continue;
      const [key, value] = step;
      const text = keyToText(key);
      if (text.startsWith(prefix)) yield [text, toJson(value)];
    }
  } finally {
    snapshot.end();
  }
}
