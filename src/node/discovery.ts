import { splitAddress } from "../../protocol/log/tcp-node.js";
import type { PyValue } from "../../protocol/pickle/values.js";
import { encodeUtility, type MemberInfo, parseMembers } from "../../protocol/wire/utility.js";
import type { Clock } from "../clock.js";
import type { Logger } from "../logger.js";
import { nodeLimits } from "./limits.js";

export interface DiscoveryHost {
  readonly clock: Clock;
  ask(address: string, request: readonly PyValue[], timeoutMs: number): Promise<PyValue>;
  readonly logger: Logger;
}

export interface Discovered {
  /** Who answered. */
  readonly from: string;
  readonly members: readonly MemberInfo[];
}

/**
 * Asks the partners, one after the other, who is in the cluster, as Patroni's members do
 * (DynMemberSyncObj in patroni/dcs/raft.py). One that does not count us among them may not have heard yet
 * that we are: then the next one is asked as well, for a member that comes anew promises nothing to keep.
 *
 * @param timeoutMs For all of them together.
 * @returns null where nobody answers: then the configured partners are the cluster.
 */
export async function discover(
  host: DiscoveryHost,
  { self, partners }: { readonly self: string; readonly partners: readonly string[] },
  timeoutMs: number,
): Promise<Discovered | null> {
  let found: Discovered | null = null;
  const each = timeoutMs / Math.max(1, partners.length);
  for (const partner of partners) {
    const members = await askMembers(host, partner, each);
    if (members.length > 0) found ??= { from: partner, members };
    if (members.some(({ address }) => address === self)) return { from: partner, members };
  }
  return found;
}

/** Who is in the cluster as this member has it; nobody where it does not answer. */
export async function askMembers(
  host: DiscoveryHost,
  address: string,
  timeoutMs: number,
): Promise<readonly MemberInfo[]> {
  try {
    const question = encodeUtility({ command: "members" });
    const members = parseMembers(await host.ask(address, question, timeoutMs));
    return members.filter((member) => splitAddress(member.address) !== null);
  } catch (error) {
    host.logger.debug(`${address} does not tell the members: ${String(error)}`);
    return [];
  }
}

/** Has us added to the cluster, again and again until it is done or `signal` ends it. */
export async function join(
  host: DiscoveryHost,
  self: string,
  known: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    for (const partner of known) {
      if (signal.aborted) return;
      if (await tryJoin(host, self, partner)) return;
    }
    await pauseUnless(signal, host.clock);
  }
}

async function tryJoin(host: DiscoveryHost, self: string, partner: string): Promise<boolean> {
  const timeoutMs = nodeLimits.joinRetryMs * 2;
  try {
    const request = encodeUtility({ command: "add", address: self });
    const reply = await host.ask(partner, request, timeoutMs);
    if (typeof reply === "string" && reply.startsWith("SUCCESS")) {
      host.logger.info(`${partner} has added this member to the cluster`);
      return true;
    }
    // FAIL also says that somebody was quicker: then the list of members holds us.
    const members = parseMembers(
      await host.ask(partner, encodeUtility({ command: "members" }), timeoutMs),
    );
    if (members.some(({ address }) => address === self)) return true;
    host.logger.warn(`${partner} has not added this member yet: ${String(reply)}`);
  } catch (error) {
    host.logger.warn(`${partner} cannot add this member: ${String(error)}`);
  }
  return false;
}

function pauseUnless(signal: AbortSignal, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.after(nodeLimits.joinRetryMs, () => {
      signal.removeEventListener("abort", give);
      resolve();
    });
    const give = () => {
      timer.cancel();
      resolve();
    };
    signal.addEventListener("abort", give, { once: true });
  });
}
