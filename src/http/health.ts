import type { DegradedCode, StatusReport } from "../node/member-types.js";
import { applyLagEntriesMax } from "./limits.js";
import type { Answer } from "./respond.js";

const noLeader =
  "this member knows of no leader: nothing is acknowledged through it meanwhile, and what was stays. An election " +
  "takes seconds; where it lasts, start the members that are away: `quorate doctor` names them, and links that fail";

/** Beside those of the status: what the member sees of itself and its cluster at one moment. */
export type HealthCode = DegradedCode | "no-leader" | "no-majority" | "applying";

interface HealthReason {
  readonly code: HealthCode;
  readonly message: string;
}

/** 200 where this member can be relied on, else 503 with what stands against it. */
export function healthAnswer(status: StatusReport): Answer {
  const reasons = healthReasons(status);
  const healthy = reasons.length === 0;
  const { self, role, leader, appliedIndex, commitIndex } = status;
  return {
    status: healthy ? 200 : 503,
    body: { healthy, self, role, leader, appliedIndex, commitIndex, reasons },
  };
}

function healthReasons(status: StatusReport): HealthReason[] {
  const reasons: HealthReason[] = [...status.degraded];
  if (status.leader === null) {
    reasons.push({ code: "no-leader", message: noLeader });
  }
  // For leader_fallback_timeout it still believes that it leads, and another one may by now.
  const connected = status.members.filter((member) => member.connected).length;
  if (status.role === "leader" && 2 * connected <= status.members.length) {
    const text =
      `leads, and reaches ${connected} of ${status.members.length} members, itself among them: nothing is ` +
      "acknowledged before it reaches a majority, and what was stays. Start the others, or mend the links to them";
    reasons.push({ code: "no-majority", message: text });
  }
  const behind = status.commitIndex - status.appliedIndex;
  if (behind > applyLagEntriesMax) {
    const text = `${behind} committed entries are not applied yet: what it shows is old. Wait; where this number stays, see its log`;
    reasons.push({ code: "applying", message: text });
  }
  return reasons;
}
