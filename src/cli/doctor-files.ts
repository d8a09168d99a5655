import { findData } from "../files/data-path.js";
import { nodeFileSystem } from "../storage/node-file-system.js";
import { judgeFiles } from "../tools/doctor/judge-files.js";
import { compareFiles, type SideBySide } from "../tools/doctor/side-by-side.js";
import { chosenFiles } from "./chosen-files.js";
import type { CliContext } from "./context.js";
import { formatFindings, verdictOf, verdictWord } from "./doctor-report.js";
import { CliError, exitCode } from "./exit-codes.js";
import { formatTable, show } from "./table.js";

/** @returns the exit code. */
export async function printSideBySide(
  context: CliContext,
  paths: readonly string[],
  isJson: boolean,
): Promise<number> {
  const found = await Promise.all(paths.map((path) => findData(nodeFileSystem, path)));
  const members = found.flatMap(chosenFiles);
  if (members.length < 2) {
    throw new CliError("one member's files have nothing to be compared with: give several", {
      code: exitCode.usage,
    });
  }
  const all = await compareFiles(nodeFileSystem, members);
  const findings = judgeFiles(all);
  context.out(
    isJson
      ? `${JSON.stringify({ verdict: verdictWord(findings), findings, ...all }, null, 2)}\n`
      : `${verdictOf(findings)}\n\n${table(all)}${formatFindings(findings)}`,
  );
  return { well: exitCode.ok, risk: exitCode.risk, ill: exitCode.harm }[verdictWord(findings)];
}

function table({ members }: SideBySide): string {
  const rows = members.map(({ name, log, dumpIndex, commitIndex, storedTerm }) => [
    name,
    log.first === null ? "-" : `${log.first} to ${log.last}`,
    show(dumpIndex),
    show(commitIndex),
    log.first === null ? "-" : String(log.lastTerm),
    show(storedTerm),
    String(log.dipCount),
  ]);
  const headings = ["MEMBER", "JOURNAL", "DUMP", "COMMITTED", "LAST TERM", "STORED TERM", "DIPS"];
  return formatTable(headings, rows);
}
