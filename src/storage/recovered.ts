import type { Logger } from "../logger.js";
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
  >
> & { readonly findings: readonly Finding[] };

/** Logs what a start found in the files, and hands it on. */
export function reportRecovered(plan: RecoveryPlan, logger: Logger): Recovered {
  for (const { file, kind, message, setAsideTo } of plan.findings) {
    const fields = { file, setAsideTo, mustRefetch: plan.mustRefetch };
    if (kind === "lost") logger.error(message, fields);
    else logger.warn(message, fields);
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
    findings: plan.findings,
  };
}
