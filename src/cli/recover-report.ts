import type { ForcedPlan } from "../tools/recover/forced-plan.js";
import type { ForcedCluster } from "../tools/recover/recovery-record.js";
import { formatPairs } from "./table.js";

export function planText(plan: ForcedPlan): string {
  const { address, term, newTerm, lastIndex, lastTerm, keys, formerMembers, findings, room } = plan;
  return (
    formatPairs([
      ["member", address],
      ["log ends at", `${lastIndex} of term ${lastTerm}${uncertain(plan)}`],
      ["term", `${term}, then ${newTerm}`],
      ["keys", String(keys)],
      ["gives up", namesOf(formerMembers)],
      ...(room === null
        ? []
        : [["room", `${room.neededBytes} bytes needed, ${room.freeBytes} free`] as const]),
      ...findings.map((finding) => ["found", finding] as const),
      ...(plan.refusal === null ? [] : [["--yes", "would refuse, see below"] as const]),
    ]) + warningText(formerMembers)
  );
}

function namesOf(formerMembers: readonly string[]): string {
  return formerMembers.length === 0
    ? "nobody: files and configuration name no other member"
    : formerMembers.join(", ");
}

/** What the last entry does not say of the rest of them. */
function uncertain({ lastIndex, commitIndex, unusedUpTo }: ForcedPlan): string {
  const unused =
    unusedUpTo === null ? "" : `; THE JOURNAL'S ENTRIES UP TO ${unusedUpTo} CANNOT BE USED`;
  if (commitIndex === null) return `${unused}; how much of it was committed is not stored`;
  const open = lastIndex - commitIndex;
  if (open === 0) return unused;
  if (open > 0)
    return `${unused}; known as committed up to ${commitIndex}: the ${open} behind it are kept`;
  return `${unused}; the commit index is ${commitIndex}: UP TO ${-open} ACKNOWLEDGED ENTRIES ARE NOT HERE`;
}

function warningText(formerMembers: readonly string[]): string {
  return formerMembers.length === 0
    ? "WARNING: what these files have lost stays lost: nobody else has it. Where there is a backup with more in it,\n" +
        "start on the backup's files instead, or bring it back afterwards: quorate restore --help.\n"
    : "WARNING: what the lost members had acknowledged and this one has not received is lost, and nobody\n" +
        "can tell how much. Never start one of them again on its old files, and do this on one member only.\n";
}

function nextText(formerMembers: readonly string[]): string {
  return formerMembers.length === 0
    ? "Next: start this member.\n"
    : "Next: start this member with no partner_addrs; move the files of the others away, all of them;\n" +
        "start each with this member among its partner_addrs: it adds itself. Then give all of them the\n" +
        "full list again.\n";
}

export function madeText(made: ForcedCluster, plan: ForcedPlan): string {
  const { address, lastIndex, oldTerm, newTerm, keys, setAsideTo, formerMembers } = made;
  return (
    formatPairs([
      ["member", `${address} is a cluster of its own now`],
      ["log ended at", `${lastIndex} of term ${plan.lastTerm}${uncertain(plan)}`],
      ["term", `${oldTerm}, now ${newTerm}`],
      ["keys", String(keys)],
      ["gave up", namesOf(formerMembers)],
      ["old files", setAsideTo],
      ...made.findings.map((finding) => ["found", finding] as const),
    ]) +
    warningText(formerMembers) +
    nextText(formerMembers)
  );
}

/** Run again, perhaps because nobody saw the end of the first time. */
export function doneText(address: string, { setAsideTo, newTerm, formerMembers }: ForcedCluster) {
  return (
    formatPairs([
      ["member", `${address} is a cluster of its own already: nothing was changed now`],
      ["term", String(newTerm)],
      ["gave up", namesOf(formerMembers)],
      ["old files", setAsideTo],
    ]) + nextText(formerMembers)
  );
}
