import { syncobjAdmin } from "./admin.js";
import { eventually } from "./eventually.js";
import { keyPrefix } from "./patroni-steps.js";
import type { QuorateMember } from "./quorate-member.js";

/** The member that leads the raft cluster, as these members see it at the same time. */
export function raftLeader(members: readonly QuorateMember[]): Promise<string> {
  return eventually("one raft leader", async () => {
    const seen = await Promise.all(members.map((member) => member.httpStatus()));
    const leaders = new Set(seen.map((status) => status["leader"]));
    const [leader] = leaders;
    return leaders.size === 1 && typeof leader === "string" ? leader : null;
  });
}

/** Hands raft leadership to a member, with the real syncobj_admin. */
export async function transferTo(address: string, seenBy: QuorateMember): Promise<void> {
  await eventually(`${address} leads`, async () => {
    const leader = await raftLeader([seenBy]);
    if (leader === address) return true;
    const admin = { version: "0.3.17", address: leader };
    throw new Error(await syncobjAdmin(admin, ["-transfer", address]));
  });
}

/** `leader=… term=… applied=…` of a member, for the report. */
export async function raftView(member: QuorateMember): Promise<string> {
  const { leader, term } = await member.httpStatus();
  const { appliedIndex, entries } = await member.kv(keyPrefix);
  const keys = Object.keys(entries).length;
  return `${member.name}: raft leader ${leader}, term ${term}, applied ${appliedIndex}, ${keys} keys`;
}

/** Patroni's leader key as the member has applied it. */
export async function leaseOf(member: QuorateMember) {
  return (await member.kv(keyPrefix)).entries[`${keyPrefix}leader`];
}
