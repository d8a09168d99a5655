import type { PyValue } from "../../protocol/pickle/values.js";
import { type MemberStatus, parseMembers, parseStatus } from "../../protocol/wire/utility.js";
import { softwareOf, toldDegraded } from "../tools/software.js";

/** What a member answers to `status`, as the commands show it. */
export interface StatusView {
  readonly self: string | null;
  /** E.g. `Quorate 0.1.0` or `PySyncObj 0.3.17`. */
  readonly software: string;
  readonly role: "follower" | "candidate" | "leader" | null;
  readonly leader: string | null;
  readonly hasQuorum: boolean | null;
  readonly term: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  /** Entries in the log, not the last index. */
  readonly logLength: number;
  /** How many observers are connected. */
  readonly observers: number;
  readonly uptimeSec: number;
  readonly codeVersion: number;
  /** Codes of docs/doctor.md, none: all is well; null: PySyncObj's members tell nothing of the kind. */
  readonly degraded: readonly string[] | null;
  /** False: the member cannot hand leadership over. */
  readonly knowsTransfer: boolean;
  /** In order of address, the member itself among them. */
  readonly members: readonly PeerView[];
}

export interface MemberView {
  readonly address: string;
  readonly leader: boolean;
  readonly connected: boolean;
}

export interface PeerView extends MemberView {
  readonly self: boolean;
  /** Known to the leader only, like `nextIndex`. */
  readonly matchIndex: number | null;
  readonly nextIndex: number | null;
}

const roles = ["follower", "candidate", "leader"] as const;

/** @throws ProtocolError where the answer is no status. */
export function viewStatus(reply: PyValue): StatusView {
  const status = parseStatus(reply);
  const software = softwareOf(status);
  return {
    self: status.self,
    software: software.name,
    role: roles[status.state] ?? null,
    leader: status.leader,
    hasQuorum: status.hasQuorum,
    term: status.raftTerm,
    commitIndex: status.commitIdx,
    appliedIndex: status.lastApplied,
    logLength: status.logLen,
    observers: status.observers.filter((observer) => observer.connected).length,
    uptimeSec: status.uptimeSec,
    codeVersion: status.enabledCodeVersion,
    degraded: toldDegraded(status),
    knowsTransfer: software.knowsTransfer,
    members: peersOf(status),
  };
}

function peersOf(status: MemberStatus): PeerView[] {
  const { leader, self } = status;
  // A member keeps these from its last leadership, when they no longer say anything.
  const leads = status.state === 2;
  const peers = status.partners.map(({ address, connected }) => ({
    address,
    self: false,
    leader: address === leader,
    connected,
    matchIndex: leads ? (status.matchIdx.get(address) ?? null) : null,
    nextIndex: leads ? (status.nextNodeIdx.get(address) ?? null) : null,
  }));
  if (self !== null) {
    const own = { connected: true, matchIndex: null, nextIndex: null };
    peers.push({ address: self, self: true, leader: self === leader, ...own });
  }
  return peers.sort(byAddress);
}

/** @throws ProtocolError where the answer is no list of members. */
export function viewMembers(reply: PyValue): MemberView[] {
  return parseMembers(reply).sort(byAddress);
}

function byAddress(a: { readonly address: string }, b: { readonly address: string }): number {
  return a.address < b.address ? -1 : 1;
}
