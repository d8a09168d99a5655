import type { DegradedReason, StatusReport } from "../node/member-types.js";
import { applyLagEntriesMax } from "./limits.js";
import type { Answer } from "./respond.js";

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

function healthReasons(status: StatusReport): DegradedReason[] {
  const reasons: DegradedReason[] = [...status.degraded];
  if (status.leader === null) {
    reasons.push({ code: "no-leader", message: "this member knows of no leader" });
  }
  // For leader_fallback_timeout it still believes that it leads, and another one may by now.
  const connected = status.members.filter((member) => member.connected).length;
  if (status.role === "leader" && 2 * connected <= status.members.length) {
    const text = `leads, and reaches ${connected} of ${status.members.length} members, itself among them`;
    reasons.push({ code: "no-majority", message: text });
  }
  const behind = status.commitIndex - status.appliedIndex;
  if (behind > applyLagEntriesMax) {
    reasons.push({ code: "applying", message: `${behind} committed entries are not applied yet` });
  }
  return reasons;
}
