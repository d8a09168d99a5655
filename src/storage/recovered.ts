import type { Dump } from "../../protocol/files/dump-format.js";
import type { Entry } from "../../protocol/log/entry.js";
import type { Logger } from "../logger.js";
import type { Finding, RecoveryPlan } from "./recovery.js";

/** The state that the files held, repaired and durable. */
export interface Recovered {
  readonly term: number;
  /** Only ever a vote of `term`. */
  readonly votedFor: string | null;
  /** At most the last entry's index, at least the dump's. */
  readonly commitIndex: number;
  /** Without gaps. Where there is a dump, the first two are its `previous` and `last`. */
  readonly entries: readonly Entry[];
  readonly dump: Dump | null;
  readonly isNew: boolean;
  /**
   * Acknowledged state may be missing: no vote and no leadership before a leader has brought the
   * member up to date; then write `must-refetch`. Kept across restarts.
   */
  readonly mustRefetch: boolean;
  /** Up to which term it has taken part is not known either. */
  readonly forgotTerm: boolean;
  /** Terms up to here may have been led twice. */
  readonly secondTerm: number;
  readonly findings: readonly Finding[];
}

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
