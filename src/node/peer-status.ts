import { splitAddress } from "../../protocol/log/tcp-node.js";
import { encodeUtility, type MemberStatus, parseStatus } from "../../protocol/wire/utility.js";
import type { PeerStatus } from "../raft/types.js";
import type { MemberNetwork } from "./environment.js";
import { nodeLimits } from "./limits.js";

/**
 * What a peer tells of itself, over a connection of its own. Rejects where it does not answer, or not in
 * a way that can be read.
 *
 * The answer also shows a link that is dead without our knowing: the peer's machine has gone and the
 * peer runs elsewhere under the same name. A silent PySyncObj peer is nothing unusual, TCP takes a quarter of an
 * hour to give up, and votes would be lost until then. The link has been up and silent since long before
 * the question: a peer that knows nothing of it by now has another connection of ours, or none.
 *
 * @param self Our own address.
 */
export async function askPeerStatus(
  network: Pick<MemberNetwork, "ask" | "isSilent" | "closeLink">,
  self: string,
  peer: string,
): Promise<PeerStatus> {
  const wasSilent = network.isSilent(peer);
  const request = encodeUtility({ command: "status" });
  const status = parseStatus(await network.ask(peer, request, nodeLimits.statusTimeoutMs));
  if (wasSilent && network.isSilent(peer) && missesUs(status, self)) {
    network.closeLink(peer, "it is silent, and says that we are not connected");
  }
  const { version, leader, lastApplied } = status;
  return {
    version,
    term: status.raftTerm,
    commitIndex: status.commitIdx,
    lastApplied,
    logLength: status.logLen,
    leader,
    partners: partnersIn(status),
    ...logEndIn(status),
    ...commitTermIn(status),
    mayLack: mayLack(status),
  };
}

function missesUs({ partners }: MemberStatus, self: string): boolean {
  return partners.some(({ address, connected }) => address === self && !connected);
}

/** Quorate's members name those as well whose removal is not committed: see history.ts. */
function partnersIn({ partners, extra }: MemberStatus): string[] {
  const leaving = extra.get("quorate_leaving");
  const names = Array.isArray(leaving) ? leaving.filter((name) => typeof name === "string") : [];
  const told = [...partners.map(({ address }) => address), ...names];
  // A dump that names them has to be written: see tcpNode.
  return told.filter((address) => splitAddress(address) !== null);
}

function logEndIn({ extra }: MemberStatus): { lastIndex?: number; lastTerm?: number } {
  const lastIndex = extra.get("quorate_last_index");
  const lastTerm = extra.get("quorate_last_term");
  if (typeof lastIndex !== "number") return {};
  return typeof lastTerm === "number" ? { lastIndex, lastTerm } : { lastIndex };
}

function commitTermIn({ extra }: MemberStatus): { commitTerm?: number } {
  const commitTerm = extra.get("quorate_commit_term");
  return typeof commitTerm === "number" ? { commitTerm } : {};
}

function mayLack({ extra }: MemberStatus): boolean {
  const degraded = extra.get("quorate_degraded");
  return Array.isArray(degraded) && degraded.includes("refetching");
}
