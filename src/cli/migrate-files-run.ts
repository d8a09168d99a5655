import type { MemberPaths } from "../files/data-path.js";
import { nodeFileSystem } from "../storage/node-file-system.js";
import { exportFiles, planExport } from "../tools/migrate/export-files.js";
import { importFiles, planImport } from "../tools/migrate/import-files.js";
import {
  type Conversion,
  type Converted,
  promisesText,
  type Workplace,
} from "../tools/migrate/standing-files.js";
import { filesOf } from "../tools/recover/aside-folder.js";
import { isKnownVersion } from "../tools/software.js";
import { bytesOf } from "./chosen-files.js";
import type { CliContext } from "./context.js";
import { CliError, exitCode } from "./exit-codes.js";
import { printJson, showValue } from "./kv-session.js";
import type { MigrateFilesFlags } from "./migrate-files.js";
import { checkConsent, memberToChange, refuseInUse } from "./offline-change.js";
import { withProgress } from "./progress-line.js";
import { formatPairs } from "./table.js";

/** The journal is judged by checksum, by its records, and entry by entry. */
const passes = 3;

/** @returns the exit code. */
export async function convertFiles(
  context: CliContext,
  path: string,
  flags: MigrateFilesFlags,
): Promise<number> {
  checkFlags(flags);
  const member = await memberToChange(path);
  const conversion = await atWork(context, member, (place) => planned(place, member, flags.to));
  const isJson = flags.json === true;
  const isDue = conversion.changes.length > 0;
  if (!isDue || flags.dryRun === true) {
    if (isJson) printJson(context, { changed: false, ...conversion });
    else context.out(planText(conversion));
    return isDue ? exitCode.risk : exitCode.ok;
  }
  if (!isJson) context.out(planText(conversion));
  if (flags.yes !== true && !(await context.confirm(question(conversion)))) {
    throw new CliError("not confirmed: nothing was changed");
  }
  const copiedBytes = await bytesOf(filesOf(member));
  const done = await atWork(
    context,
    member,
    (place) =>
      flags.to === undefined ? importFiles(place, member) : exportFiles(place, member, flags.to),
    copiedBytes,
  );
  if (isJson) printJson(context, { changed: done.setAsideTo !== null, ...done });
  else context.out(doneText(done));
  return exitCode.ok;
}

function checkFlags(flags: MigrateFilesFlags): void {
  checkConsent(flags);
  if (flags.json === true && flags.yes !== true && flags.dryRun !== true) {
    throw usage("--json needs --yes or --dry-run: there is nobody to be asked");
  }
  if (flags.to !== undefined && !isKnownVersion(flags.to)) {
    throw usage(`--to ${flags.to}: give a version of PySyncObj from 0.3.8 to 0.3.17`);
  }
}

async function planned(
  place: Workplace,
  member: MemberPaths,
  version: string | undefined,
): Promise<Conversion> {
  await refuseInUse(member);
  return version === undefined
    ? await planImport(place, member)
    : await planExport(place, member, version);
}

async function atWork<T>(
  context: CliContext,
  member: MemberPaths,
  work: (place: Workplace) => Promise<T>,
  copiedBytes = 0,
): Promise<T> {
  const readBytes = passes * (await bytesOf([member.journal])) + (await bytesOf([member.dump]));
  const totalBytes = readBytes + copiedBytes;
  const doing = copiedBytes === 0 ? "reading" : "reading, then copying aside";
  const stopped = "stopped: nothing was changed";
  const changes = copiedBytes > 0;
  return await withProgress(context, { doing, totalBytes, stopped, changes }, (watch) =>
    work({ fs: nodeFileSystem, now: new Date(), watch }),
  );
}

function planText(conversion: Conversion): string {
  const { address, directory, target, changes, warnings } = conversion;
  const who = `${showValue(address)} in ${showValue(directory)}`;
  const told = warnings.map((warning) => `WARNING: ${warning}.\n`).join("");
  if (changes.length === 0) return `${who}: nothing is due, ${target} starts on them\n${told}`;
  const { commitIndex, lastIndex } = conversion;
  return (
    `${who}: to be files of ${target}\n` +
    formatPairs([
      ["log", `up to entry ${lastIndex}, committed to ${commitIndex}`],
      ["promises", promisesText(conversion)],
      ...changes.flatMap(({ file, was, becomes }): [string, string][] => [
        [file, `now: ${was}`],
        ["", `then: ${becomes}`],
      ]),
    ]) +
    told
  );
}

function question({ target }: Conversion): string {
  return `Make these files ${target}'s? They are kept beside as they are`;
}

function doneText({ target, setAsideTo }: Converted): string {
  if (setAsideTo === null) return "Nothing was due any more.\n";
  const start = target === "Quorate" ? "`quorate run`" : target;
  return (
    `Done. The files as they were are in ${showValue(setAsideTo)}\n` +
    `Next: start ${start} on them. Never start any program on the old ones once that has run.\n`
  );
}

function usage(message: string): CliError {
  return new CliError(message, { code: exitCode.usage });
}
