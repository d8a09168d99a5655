import type { CheckedFiles } from "../files/checked-files.js";
import { membersNamedIn } from "../files/named-members.js";
import type { RepairPlan } from "../files/repair-plan.js";
import { configuredMembers } from "./configured-members.js";
import type { CliContext } from "./context.js";
import { escapeControls } from "./escape.js";
import { CliError, exitCode } from "./exit-codes.js";
import type { RepairFlags } from "./repair.js";

/**
 * Why the member is not to be taken for its whole cluster; null: it may be, or that makes no difference. What
 * is missing here may have been acknowledged by others, and be with them.
 */
export function doubtOfAlone(
  context: CliContext,
  {
    files,
    plan,
    flags,
  }: {
    readonly files: CheckedFiles;
    readonly plan: RepairPlan;
    readonly flags: RepairFlags;
  },
): CliError | null {
  if (flags.alone !== true || flags.certainlyAlone === true) return null;
  // A human decides first.
  if (plan.needsHuman.length > 0 || !plan.mends.some(({ mayLack }) => mayLack)) return null;
  const { address } = files.paths;
  const named = membersNamedIn(files);
  const configured = configuredMembers(context, flags.config);
  const inConfig = configured.filter((member) => member !== address);
  const others = [...new Set([...named.others, ...inConfig])].sort();
  if (others.length > 0) {
    const sources = [
      ...(named.others.length > 0 ? ["its files"] : []),
      ...(inConfig.length > 0 ? ["the configuration"] : []),
    ];
    return new CliError(
      `${escapeControls(others.join(", "))}: other members, named by ${sources.join(" and ")}. With --alone this ` +
        "one would vote and lead without what they may hold. Start them: repair without --alone marks this " +
        "member, and a leader completes it. Where the majority is lost for good: quorate recover --help. Where " +
        "they are none, or hold nothing: the same with --certainly-alone. Nothing was changed",
    );
  }
  // The environment may hold one member's own address alone, beside a file that names the others.
  const saysAlone = flags.config !== undefined && configured.length > 0;
  if (named.hasDump || saysAlone) return null;
  return new CliError(
    "without a readable dump these files do not name all members (those of a first start stand in the " +
      "configuration only): give --config with the file that the member runs with, so that it can be seen that " +
      "it names no other one. Where there is no such file: --certainly-alone. Nothing was changed",
    { code: exitCode.usage },
  );
}
