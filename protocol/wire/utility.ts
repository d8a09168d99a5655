import { ProtocolError } from "../errors.js";
import { nodeId, splitAddress, tcpNode } from "../log/tcp-node.js";
import type { PyDict, PyValue } from "../pickle/values.js";
import { Fields } from "./fields.js";
import { addressCharsMax, unknownNameCharsMax, versionCharsMax } from "./limits.js";

/** What a client that is no member asks: `syncobj_admin`, Patroni's discovery, our own commands. */
export type UtilityRequest =
  | { readonly command: "status" }
  | { readonly command: "members" }
  | {
      readonly command: "add" | "remove";
      /** `host:port` of the member. */
      readonly address: string;
    }
  | {
      readonly command: "set_version";
      /** The code version that the cluster shall switch to. */
      readonly version: number;
    }
  /** Since PySyncObj 0.3.16. */
  | {
      readonly command: "transfer";
      /** Who shall lead; null: the member may choose. */
      readonly address: string | null;
    }
  /**
   * A known command whose argument makes no sense for it. Patroni's observers, which have no address,
   * ask each time they start to `add` None (DynMemberSyncObj in patroni/dcs/raft.py).
   */
  | {
      readonly command: "malformed";
      /** The command as it was sent. */
      readonly name: string;
      /** Its argument, as a reply repeats it. */
      readonly argument: string;
    }
  | {
      readonly command: "unknown";
      /** A name that we do not know, cut. */
      readonly name: string;
    };

/** Takes a utility list apart; items after those that a command uses are ignored, as upstream does. */
export function parseUtility(list: readonly PyValue[]): UtilityRequest {
  const [command, argument = null] = list;
  switch (command) {
    case "status":
    case "members":
      return { command };
    case "add":
    case "remove":
      if (isAddress(argument)) return { command, address: argument };
      break;
    case "set_version":
      if (typeof argument === "number") return { command, version: argument };
      break;
    case "transfer":
      if (argument === null || argument === "") return { command, address: null };
      if (isAddress(argument)) return { command, address: argument };
      break;
  }
  const name = typeof command === "string" ? command.slice(0, unknownNameCharsMax) : "";
  if (!withArgument.has(name)) return { command: "unknown", name };
  return { command: "malformed", name, argument: shown(argument) };
}

const withArgument: ReadonlySet<string> = new Set(["add", "remove", "set_version", "transfer"]);

/** An argument as the reply repeats it; what is no text or number only by its kind. */
function shown(argument: PyValue): string {
  if (argument === null) return "None";
  if (typeof argument === "string") return argument.slice(0, unknownNameCharsMax);
  return typeof argument === "number" ? String(argument) : "?";
}

/** The list for `SessionRole`'s `request`, as `syncobj_admin` and Patroni send it. */
export function encodeUtility(request: UtilityRequest): PyValue[] {
  switch (request.command) {
    case "status":
    case "members":
      return [request.command];
    case "add":
    case "remove":
      return [request.command, request.address];
    case "set_version":
      return [request.command, request.version];
    case "transfer":
      return [request.command, request.address ?? ""];
    case "malformed":
      return [request.name, request.argument];
    case "unknown":
      return [request.name];
  }
}

/**
 * The reply to a request that changes something (`TCPTransport._utilityCallback`): `SUCCESS` or
 * `FAIL`, the command in capitals, its arguments. Upstream's reply to a transfer without a target
 * ends with a space, and so does this one.
 */
export function utilityOutcome(request: UtilityRequest, ok: boolean): string {
  const [command, ...rest] = encodeUtility(request);
  return [ok ? "SUCCESS" : "FAIL", String(command).toUpperCase(), ...rest.map(String)].join(" ");
}

/** A node and whether the answering member is connected to it. */
export interface NodeConnection {
  /** A member's address, or the number that the answering member gave to an observer. */
  readonly address: string;
  /** Whether there is a link to it. */
  readonly connected: boolean;
}

/** What `SyncObj.getStatus` tells (pysyncobj/syncobj.py). */
export interface MemberStatus {
  /** Version of the software, e.g. `0.3.17`. */
  readonly version: string;
  /** Revision of the software; empty where it tells none. */
  readonly revision: string;
  /** The answering member's address. */
  readonly self: string | null;
  /** 0 follower, 1 candidate, 2 leader. */
  readonly state: number;
  /** The leader's address, null while none is known. */
  readonly leader: string | null;
  /** Null: from PySyncObj 0.3.8, which does not tell. */
  readonly hasQuorum: boolean | null;
  /** The other members. */
  readonly partners: readonly NodeConnection[];
  /** The observers that have connected to it. */
  readonly observers: readonly NodeConnection[];
  /** Entries in the log, not the last index. */
  readonly logLen: number;
  /** Log index up to which its state holds all entries. */
  readonly lastApplied: number;
  /** Log index up to which it knows entries to be committed. */
  readonly commitIdx: number;
  /** Its term. */
  readonly raftTerm: number;
  /** By address: the log index to send next; what the member keeps from its last leadership. */
  readonly nextNodeIdx: ReadonlyMap<string, number>;
  /** By address: highest log index known to be there. */
  readonly matchIdx: ReadonlyMap<string, number>;
  /** Null: the member has not heard of a leader since it started. */
  readonly leaderCommitIdx: number | null;
  /** Seconds since it was started. */
  readonly uptimeSec: number;
  /** Highest code version that it can run. */
  readonly selfCodeVersion: number;
  /** Code version that the cluster has switched to. */
  readonly enabledCodeVersion: number;
  /** Keys that PySyncObj does not have; Quorate adds its own here. */
  readonly extra: ReadonlyMap<string, PyValue>;
}

const partnerPrefix = "partner_node_status_server_";
const observerPrefix = "readonly_node_status_server_";
const nextPrefix = "next_node_idx_server_";
const matchPrefix = "match_idx_server_";

/** `CONNECTION_STATE` in pysyncobj/tcp_connection.py; status replies never say 1, connecting. */
const connectionState = { disconnected: 0, connected: 2 } as const;

const plainKeys: ReadonlySet<PyValue> = new Set([
  ...["version", "revision", "self", "state", "leader", "has_quorum", "partner_nodes_count"],
  ...["readonly_nodes_count", "log_len", "last_applied", "commit_idx", "raft_term"],
  ...["next_node_idx_count", "match_idx_count", "leader_commit_idx", "uptime"],
  ...["self_code_version", "enabled_code_version"],
]);

/**
 * Reads a status of PySyncObj 0.3.8 or newer, or of a Quorate member. What decisions rest on has to
 * be there; the rest may be missing.
 *
 * @throws ProtocolError `message-shape` or `number-range`.
 */
export function parseStatus(value: PyValue): MemberStatus {
  if (!(value instanceof Map)) throw new ProtocolError("message-shape", "a status is not a dict");
  const fields = new Fields(value, "status");
  const hasQuorum = fields.optional("has_quorum");
  return {
    version: shortText(fields.optional("version")),
    revision: shortText(fields.optional("revision")),
    self: nodeId(fields.optional("self")),
    state: fields.count("state"),
    leader: nodeId(fields.optional("leader")),
    hasQuorum: typeof hasQuorum === "boolean" ? hasQuorum : null,
    ...parseNodes(value),
    logLen: fields.count("log_len"),
    lastApplied: fields.count("last_applied"),
    commitIdx: fields.count("commit_idx"),
    raftTerm: fields.count("raft_term"),
    leaderCommitIdx: fields.has("leader_commit_idx")
      ? fields.countOrNull("leader_commit_idx")
      : null,
    uptimeSec: fields.has("uptime") ? fields.count("uptime") : 0,
    selfCodeVersion: fields.has("self_code_version") ? fields.count("self_code_version") : 0,
    enabledCodeVersion: fields.has("enabled_code_version")
      ? // PySyncObj keeps what the command held, also a False.
        fields.equalCount("enabled_code_version")
      : 0,
  };
}

/** @returns the dict, keys in upstream's order, then the extra ones. */
export function encodeStatus(status: MemberStatus): PyDict {
  const dict: PyDict = new Map<PyValue, PyValue>([
    ["version", status.version],
    ["revision", status.revision],
    ["self", status.self === null ? null : tcpNode(status.self)],
    ["state", status.state],
    ["leader", status.leader === null ? null : tcpNode(status.leader)],
  ]);
  if (status.hasQuorum !== null) dict.set("has_quorum", status.hasQuorum);
  dict.set("partner_nodes_count", status.partners.length);
  putConnections(dict, partnerPrefix, status.partners);
  dict.set("readonly_nodes_count", status.observers.length);
  putConnections(dict, observerPrefix, status.observers);
  dict.set("log_len", status.logLen);
  dict.set("last_applied", status.lastApplied);
  dict.set("commit_idx", status.commitIdx);
  dict.set("raft_term", status.raftTerm);
  dict.set("next_node_idx_count", status.nextNodeIdx.size);
  for (const [address, index] of status.nextNodeIdx) dict.set(nextPrefix + address, index);
  dict.set("match_idx_count", status.matchIdx.size);
  for (const [address, index] of status.matchIdx) dict.set(matchPrefix + address, index);
  dict.set("leader_commit_idx", status.leaderCommitIdx);
  dict.set("uptime", status.uptimeSec);
  dict.set("self_code_version", status.selfCodeVersion);
  dict.set("enabled_code_version", status.enabledCodeVersion);
  for (const [key, value] of status.extra) dict.set(key, value);
  return dict;
}

/** One line of the reply to `members` (`DynMemberSyncObj.getMembers` in patroni/dcs/raft.py). */
export interface MemberInfo extends NodeConnection {
  /** Whether it leads, as the one that answers sees it. */
  readonly leader: boolean;
}

/** @throws ProtocolError `message-shape`. */
export function parseMembers(value: PyValue): MemberInfo[] {
  if (!Array.isArray(value)) {
    throw new ProtocolError("message-shape", "members are not a list");
  }
  return value.map((item) => {
    if (!(item instanceof Map)) throw new ProtocolError("message-shape", "a member is not a dict");
    const fields = new Fields(item, "member");
    return {
      address: fields.str("addr"),
      leader: fields.bool("leader"),
      connected: fields.count("status") === connectionState.connected,
    };
  });
}

/**
 * The reply to `['members']`, as Patroni's members give it.
 *
 * @param members Upstream lists the answering member last.
 */
export function encodeMembers(members: readonly MemberInfo[]): PyValue[] {
  return members.map(
    (member): PyDict =>
      new Map<PyValue, PyValue>([
        ["addr", member.address],
        ["leader", member.leader],
        ["status", stateOf(member)],
      ]),
  );
}

type StatusNodes = Pick<
  MemberStatus,
  "partners" | "observers" | "nextNodeIdx" | "matchIdx" | "extra"
>;

/** Collects the keys that carry a node's name in them, and those that nobody knows. */
function parseNodes(dict: PyDict): StatusNodes {
  const partners: NodeConnection[] = [];
  const observers: NodeConnection[] = [];
  const nextNodeIdx = new Map<string, number>();
  const matchIdx = new Map<string, number>();
  const extra = new Map<string, PyValue>();
  for (const [key, value] of dict) {
    if (typeof key !== "string" || plainKeys.has(key)) continue;
    const address = key.slice(key.indexOf("_server_") + "_server_".length);
    if (key.startsWith(partnerPrefix)) partners.push({ address, connected: isConnected(value) });
    else if (key.startsWith(observerPrefix)) {
      observers.push({ address, connected: isConnected(value) });
    } else if (key.startsWith(nextPrefix)) putIndex(nextNodeIdx, address, value);
    else if (key.startsWith(matchPrefix)) putIndex(matchIdx, address, value);
    else extra.set(key, value);
  }
  return { partners, observers, nextNodeIdx, matchIdx, extra };
}

/**
 * PySyncObj's leader keeps what a node has answered, whatever it is, and any observer may answer: what is
 * no index is left out, and the rest of the status stands.
 */
function putIndex(indexes: Map<string, number>, address: string, value: PyValue): void {
  if (typeof value === "number" && value >= 0) indexes.set(address, value);
}

function putConnections(dict: PyDict, prefix: string, nodes: readonly NodeConnection[]): void {
  for (const node of nodes) dict.set(prefix + node.address, stateOf(node));
}

function stateOf(node: NodeConnection): number {
  return node.connected ? connectionState.connected : connectionState.disconnected;
}

function isConnected(value: PyValue): boolean {
  return value === connectionState.connected;
}

/** Empty where it is no text; cut, as we show it wherever we show the peer. */
function shortText(value: PyValue): string {
  return typeof value === "string" ? value.slice(0, versionCharsMax) : "";
}

function isAddress(value: PyValue): value is string {
  if (typeof value !== "string" || value.length > addressCharsMax) return false;
  return splitAddress(value) !== null;
}
