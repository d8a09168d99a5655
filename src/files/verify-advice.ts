import type { CheckedFiles } from "./checked-files.js";
import { planRepair } from "./repair-plan.js";
import {
  type FindingCode,
  refetchJournalText,
  refetchMissingText,
  refetchText,
  repairText,
  type VerifyFinding,
} from "./verify-findings.js";

/** With these Quorate refuses to start, and changes nothing. */
const refusesStart: readonly FindingCode[] = [
  "journal-implausible",
  "meta-implausible",
  "meta-foreign",
];

/**
 * The findings with what to do next as it is true beside each other: a repair does nothing as long as anything
 * needs a human, and no start goes past what it refuses.
 */
export function withAdvice(
  files: CheckedFiles,
  findings: readonly VerifyFinding[],
): VerifyFinding[] {
  const { needsHuman } = planRepair(files, { isAlone: false });
  const refused = findings.filter(({ code }) => refusesStart.includes(code));
  const human = codesOf(needsHuman);
  const noRepair = `quorate repair does nothing here, because of ${human}: see there.`;
  const noStart = `Quorate does not start on these files, because of ${codesOf(refused)}: see there.`;
  return findings.map((found) => {
    let { next } = found;
    if (needsHuman.length > 0) next = next.replace(repairText, noRepair);
    if (refused.length > 0) {
      for (const text of [refetchText, refetchJournalText, refetchMissingText]) {
        next = next.replace(text, noStart);
      }
    }
    return { ...found, next };
  });
}

function codesOf(findings: readonly VerifyFinding[]): string {
  return [...new Set(findings.map(({ code }) => code))].join(", ");
}
