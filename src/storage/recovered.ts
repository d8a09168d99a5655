import type { Logger } from "../logger.js";
import type { MemberFiles } from "./files.js";
import type { Finding, RecoveryPlan } from "./recovery.js";

/** The state that the files held, repaired and durable. */
export type Recovered = Readonly<
  Pick<
    RecoveryPlan,
    | "term"
    | "votedFor"
    | "commitIndex"
    | "entries"
    | "dump"
    | "isNew"
    | "mustRefetch"
    | "forgotTerm"
    | "secondTerm"
    | "termFloor"
  >
> & {
  readonly findings: readonly Finding[];
  /** What may be lost, what becomes of it and what to do: for health. Null where nothing is. */
  readonly lossText: string | null;
};

/** Logs what a start found in the files, and hands it on. */
export function reportRecovered(plan: RecoveryPlan, files: MemberFiles, logger: Logger): Recovered {
  for (const finding of plan.findings) {
    const { file, kind, setAsideTo } = finding;
    const fields = { file, setAsideTo, mustRefetch: plan.mustRefetch };
    const text = findingText(finding, files);
    if (kind === "lost") logger.error(text, fields);
    else logger.warn(text, fields);
  }
  return {
    term: plan.term,
    votedFor: plan.votedFor,
    commitIndex: plan.commitIndex,
    entries: plan.entries,
    dump: plan.dump,
    isNew: plan.isNew,
    mustRefetch: plan.mustRefetch,
    forgotTerm: plan.forgotTerm,
    secondTerm: plan.secondTerm,
    termFloor: plan.termFloor,
    findings: plan.findings,
    lossText: lossText(plan.findings, files),
  };
}

const lossOutcome =
  "The member neither votes nor leads, and serves nothing, until it has taken what may be missing from " +
  "the others. Check the disk; nothing else is to be done while one of them leads. Where none of them " +
  "has it, see `quorate recover`; where there are no others, put a backup's files back, or let it go on " +
  "with what is left: `quorate repair --alone`";

/** Which file it is about, where the file is as it was found, and what comes of it. */
function findingText(finding: Finding, files: MemberFiles): string {
  const text = placeText(finding, files);
  return finding.kind === "lost" ? `${text}. ${lossOutcome}` : text;
}

function placeText({ file, message, setAsideTo }: Finding, files: MemberFiles): string {
  const kept = setAsideTo === undefined ? "" : `. The file as it was is kept as ${setAsideTo}`;
  return `${files[file]}: ${message}${kept}`;
}

/** Several files may be damaged: what comes of it is said once. */
function lossText(findings: readonly Finding[], files: MemberFiles): string | null {
  const lost = findings.filter(({ kind }) => kind === "lost");
  if (lost.length === 0) return null;
  return [...lost.map((finding) => placeText(finding, files)), lossOutcome].join(". ");
}
