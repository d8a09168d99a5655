import { type CheckedFiles, checkFiles } from "../files/checked-files.js";
import { findData, type MemberPaths } from "../files/data-path.js";
import { repairFiles } from "../files/repair.js";
import { type Mend, planRepair, type RepairPlan, targetOf } from "../files/repair-plan.js";
import { underLock } from "../files/under-lock.js";
import { nodeFileSystem } from "../storage/node-file-system.js";
import { bytesOf, findMember } from "./chosen-files.js";
import type { CliContext } from "./context.js";
import { CliError, exitCode } from "./exit-codes.js";
import { printJson, showValue } from "./kv-session.js";
import { checkConsent, memberToChange, obstacleTo, refuseInUse } from "./offline-change.js";
import { withProgress } from "./progress-line.js";
import type { RepairFlags } from "./repair.js";
import { doubtOfAlone } from "./repair-alone.js";
import { formatFinding } from "./verify-report.js";

/** The journal is read four times, by checksum, records, entries and what follows, and then copied. */
const passes = 4;

interface Outcome {
  readonly code: number;
  readonly isDone: boolean;
  /** Where the files are kept as they were. */
  readonly kept: readonly string[];
}

const undone = { isDone: false, kept: [] } as const;

/** @returns the exit code. */
export async function runRepair(
  context: CliContext,
  path: string,
  flags: RepairFlags,
): Promise<number> {
  checkConsent(flags);
  if (flags.json === true && flags.yes !== true && flags.dryRun !== true) {
    throw usage("--json needs --yes or --dry-run: there is nobody to be asked");
  }
  if (flags.alone !== true && (flags.certainlyAlone === true || flags.config !== undefined)) {
    throw usage("--config and --certainly-alone are of --alone: give it as well");
  }
  if ((await findData(nodeFileSystem, path)).kind === "file") {
    throw usage(`${path}: one file by itself cannot be mended: give <data_dir>/<self_addr>`);
  }
  if (flags.dryRun === true) {
    const member = await findMember(path);
    await refuseInUse(member);
    const fault = await obstacleTo(member);
    const code = await repairMember(context, member, flags);
    if (fault === null) return code;
    // Behind the plan, where it is read: what it shows is not what would be done.
    throw new CliError(`--yes would refuse: ${fault.message}`);
  }
  const paths = await memberToChange(path);
  return await underLock(nodeFileSystem, paths, async (remark) => {
    if (remark !== undefined) context.err(`quorate: ${remark}\n`);
    // The names as they are now that nobody else changes them.
    return await repairMember(context, await findMember(path), flags);
  });
}

async function repairMember(
  context: CliContext,
  paths: MemberPaths,
  flags: RepairFlags,
): Promise<number> {
  const options = { isAlone: flags.alone === true };
  const files = await check(context, paths);
  const plan = planRepair(files, options);
  const doubt = doubtOfAlone(context, { files, plan, flags });
  if (doubt !== null && flags.dryRun !== true) throw doubt;
  if (flags.json !== true) context.out(formatPlan(paths, plan, options.isAlone));
  const outcome = await act(context, { files, plan, flags });
  if (flags.json === true) {
    const { address, directory } = paths;
    const { isDone, kept } = outcome;
    printJson(context, {
      address,
      directory,
      ...plan,
      dryRun: flags.dryRun === true,
      isDone,
      kept,
    });
  } else if (outcome.isDone) context.out(formatDone(plan, outcome, options.isAlone));
  if (doubt !== null) throw new CliError(`--yes would refuse: ${doubt.message}`);
  return outcome.code;
}

async function act(
  context: CliContext,
  given: {
    readonly files: CheckedFiles;
    readonly plan: RepairPlan;
    readonly flags: RepairFlags;
  },
): Promise<Outcome> {
  const { files, plan, flags } = given;
  if (plan.needsHuman.length > 0) return { code: exitCode.harm, ...undone };
  if (plan.mends.length === 0) return { code: exitCode.ok, ...undone };
  if (flags.dryRun === true) return { code: exitCode.risk, ...undone };
  if (flags.yes !== true) await confirmAll(context, plan.mends);
  const target = targetOf(files, plan.mends, { isAlone: flags.alone === true });
  const { paths } = files;
  const totalBytes = await bytesOf([paths.journal]);
  const kept = await withProgress(
    context,
    { doing: "writing", totalBytes, changes: true },
    (watch) => repairFiles({ fs: nodeFileSystem, now: () => new Date(), watch }, files, target),
  );
  return { code: exitCode.ok, isDone: true, kept };
}

async function check(context: CliContext, paths: MemberPaths): Promise<CheckedFiles> {
  const totalBytes = passes * (await bytesOf([paths.journal])) + (await bytesOf([paths.dump]));
  return await withProgress(context, { doing: "verifying", totalBytes }, (watch) =>
    checkFiles(nodeFileSystem, paths, watch),
  );
}

/** They belong together: a journal that is cut, say, and the mark in the meta file that says so. */
async function confirmAll(context: CliContext, mends: readonly Mend[]): Promise<void> {
  for (const { code, does } of mends) {
    if (await context.confirm(`${code}: ${does}. Do it?`)) continue;
    throw new CliError("not confirmed: nothing was changed");
  }
}

function formatPlan(
  paths: MemberPaths,
  { mends, needsHuman, waits }: RepairPlan,
  isAlone: boolean,
): string {
  const who = `${showValue(paths.address)} in ${showValue(paths.directory)}`;
  if (needsHuman.length > 0) {
    const head = `${who}: a human has to decide. Nothing was changed.\n`;
    return head + needsHuman.map(formatFinding).join("");
  }
  if (mends.length === 0) return `${who}: there is nothing to mend\n${waits ? waitsText : ""}`;
  return `${who}: ${mends.length} to mend\n${mends.map((mend) => formatMend(mend, isAlone)).join("")}`;
}

const waitsText =
  "It waits for a leader: something was missing at an earlier start or repair, and until a leader has\n" +
  "completed it, it neither votes nor leads. Start it with Quorate, with a leader in reach. Where it is\n" +
  "its whole cluster: repair --alone. Where the majority is lost for good: quorate recover --help.\n";

function formatMend(mend: Mend, isAlone: boolean): string {
  const { code, path, detail, does, mayLack, lackedBefore } = mend;
  const then = isAlone
    ? "it goes on without (--alone)"
    : "the member is marked, and waits for a leader";
  const lack = mayLack
    ? `something acknowledged may be missing: ${then}`
    : (lackedBefore ?? "nothing");
  return [
    `\n${code}  ${showValue(path)}`,
    `  seen:   ${showValue(detail)}`,
    `  mend:   ${does}`,
    `  lost:   ${lack}\n`,
  ].join("\n");
}

function formatDone({ mends }: RepairPlan, { kept }: Outcome, isAlone: boolean): string {
  const names = kept.map((path) => `  ${showValue(path)}\n`).join("");
  const isMarked = !isAlone && mends.some(({ mayLack }) => mayLack);
  const next = isMarked
    ? "Start it with Quorate, and with a leader in reach. PySyncObj does not know the mark: do not start it.\n"
    : "The member may be started.\n";
  return `\nDone. ${next}As they were, the files are kept as\n${names}`;
}

function usage(message: string): CliError {
  return new CliError(message, { code: exitCode.usage });
}
