import { realpath } from "node:fs/promises";
import { findData, type MemberPaths } from "../files/data-path.js";
import { nodeFileSystem } from "../storage/node-file-system.js";
import { bestSurvivor } from "../tools/doctor/best-survivor.js";
import { compareLive } from "../tools/doctor/live-files.js";
import { bytesOf, chosenFiles } from "./chosen-files.js";
import type { CliContext } from "./context.js";
import { formatSideBySide, verdictOfFiles } from "./doctor-files-report.js";
import { verdictWord } from "./doctor-report.js";
import { CliError, exitCode } from "./exit-codes.js";
import { printJson } from "./kv-session.js";
import { withProgress } from "./progress-line.js";

/** The logs are compared, and then the data that they make; see `compareFiles`. */
const passes = 2;

/** A slip on the command line must not end in a verdict: files are always like themselves. */
async function refuseTwice(members: readonly MemberPaths[]): Promise<void> {
  const seen = new Map<string, string>();
  for (const { journal, meta, dump } of members) {
    for (const path of [journal, dump, meta]) {
      if (path === null) continue;
      // Not the inode: copies from before and after may share what has not changed between them.
      const identity = await realpath(path).catch(() => path);
      const before = seen.get(identity);
      if (before !== undefined) {
        const which = before === path ? `${path} is given twice` : `${path} is ${before}`;
        throw new CliError(`${which}: a comparison with itself shows nothing`, {
          code: exitCode.usage,
        });
      }
      seen.set(identity, path);
    }
  }
}

/** @returns the exit code. */
export async function printSideBySide(
  context: CliContext,
  paths: readonly string[],
  isJson: boolean,
): Promise<number> {
  const found = await Promise.all(paths.map((path) => findData(nodeFileSystem, path)));
  const members = found.flatMap(chosenFiles);
  if (members.length < 2) {
    throw new CliError(
      "one member's files have nothing to be compared with: give several, or see `quorate verify` of this one",
      {
        code: exitCode.usage,
      },
    );
  }
  await refuseTwice(members);
  const bytes = await bytesOf(members.flatMap(({ journal, dump }) => [journal, dump]));
  const totalBytes = passes * bytes;
  const { all, findings } = await withProgress(
    context,
    { doing: "comparing", totalBytes },
    (watch) => compareLive(nodeFileSystem, members, watch),
  );
  const verdict = verdictWord(findings);
  if (isJson) {
    const headline = verdictOfFiles(all, findings);
    printJson(context, { verdict, headline, findings, survivor: bestSurvivor(all), ...all });
  } else {
    context.out(formatSideBySide(all, findings));
  }
  await context.drained();
  return { well: exitCode.ok, risk: exitCode.risk, ill: exitCode.harm }[verdict];
}
