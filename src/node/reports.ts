import type { PyValue } from "../../protocol/pickle/values.js";
import type { MemberInfo, MemberStatus } from "../../protocol/wire/utility.js";
import { committedTerm } from "../raft/guards/covered-vote.js";
import { leavingMembers } from "../raft/history.js";
import { keyToText, toPiecewiseJson } from "../store/json-view.js";
import type { StoreSnapshot } from "../store/snapshot.js";
import type { Store } from "../store/store.js";
import { type DegradedSources, degradedOf } from "./degraded.js";
import type { MemberNetwork } from "./environment.js";
import type {
  KvEntryReport,
  KvReport,
  MemberReport,
  PeerKind,
  StatusReport,
} from "./member-types.js";
import { quorateVersion } from "./version.js";

export interface ReportSources extends DegradedSources {
  readonly network: Pick<MemberNetwork, "counters" | "isConnected">;
  readonly uptimeMs: number;
  /** Seconds since 1970. */
  readonly wallSec: number;
  readonly codeVersion: number;
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
      ["quorate_commit_term", committedTerm(state)],
      ["quorate_leaving", leavingMembers(state)],
      ["quorate_degraded", degradedOf(sources).map(({ code }) => code)],
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
    degraded: degradedOf(sources),
    counters: { ...network.counters(), ...notes.counters() },
  };
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
      if (text.startsWith(prefix)) yield [text, toPiecewiseJson(value)];
    }
  } finally {
    snapshot.end();
  }
}
