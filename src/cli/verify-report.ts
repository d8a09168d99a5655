import { findData } from "../files/data-path.js";
import { type VerifyReport, verifyMember } from "../files/verify.js";
import type { Severity, VerifyFinding } from "../files/verify-findings.js";
import { nodeFileSystem } from "../storage/node-file-system.js";
import { bytesOf, chosenFiles } from "./chosen-files.js";
import type { CliContext } from "./context.js";
import { exitCode } from "./exit-codes.js";
import { printJson, showValue } from "./kv-session.js";
import { withProgress } from "./progress-line.js";

/** The journal is judged by its checksums, then by its records, then gone through entry by entry. */
const passes = 3;

/** @returns the exit code. */
export async function printVerdict(
  context: CliContext,
  path: string,
  isJson: boolean,
): Promise<number> {
  const found = await findData(nodeFileSystem, path);
  const chosen = chosenFiles(found);
  const isAlone = found.kind === "file";
  const journalBytes = await bytesOf(chosen.map(({ journal }) => journal));
  const totalBytes = passes * journalBytes + (await bytesOf(chosen.map(({ dump }) => dump)));
  const reports = await withProgress(context, { doing: "verifying", totalBytes }, async (watch) => {
    const all: VerifyReport[] = [];
    for (const files of chosen) {
      all.push(await verifyMember(nodeFileSystem, files, { watch, isAlone }));
    }
    return all;
  });
  if (isJson) printJson(context, { members: reports });
  else context.out(reports.map(formatReport).join("\n"));
  await context.drained();
  return codeOf(reports.map(({ worst }) => worst));
}

export function codeOf(worst: readonly (Severity | null)[]): number {
  if (worst.includes("damage")) return exitCode.harm;
  return worst.includes("warning") ? exitCode.risk : exitCode.ok;
}

function formatReport(report: VerifyReport): string {
  const { address, directory, findings, entries } = report;
  const log = entries === null ? "no entries" : `entries ${entries.first} to ${entries.last}`;
  const head = `${showValue(address)} in ${showValue(directory)}: ${verdictText(report)}\n  ${log}; ${storeText(report)}\n`;
  return head + findings.map(formatFinding).join("");
}

function storeText({ dumpAt, storeCheckedAt }: VerifyReport): string {
  if (storeCheckedAt !== null) {
    return `the dump's data compared with the fold of the log at entry ${storeCheckedAt}`;
  }
  if (dumpAt === null) return "no dump that the journal's entries could be compared with";
  return `a dump up to entry ${dumpAt}, whose data no older entries are left to compare with`;
}

/** Says no more than every finding of that severity bears out. */
function verdictText({ worst, findings }: VerifyReport): string {
  const count = (severity: Severity) =>
    findings.filter((found) => found.severity === severity).length;
  const several = (severity: "warning" | "note") =>
    `${count(severity)} ${severity}${count(severity) === 1 ? "" : "s"}`;
  const counts = `${count("damage")} damage, ${several("warning")}, ${several("note")}`;
  switch (worst) {
    case "damage":
      return `damaged (${counts})`;
    case "warning":
      return `see the warnings (${counts})`;
    case "note":
      return `nothing wrong was found, but see the notes (${counts})`;
    default:
      return `nothing wrong was found (${counts})`;
  }
}

export function formatFinding(found: VerifyFinding): string {
  return [
    `\n${found.severity}  ${found.code}  ${showValue(found.path)}`,
    `  seen:   ${showValue(found.detail)}`,
    `  means:  ${found.means}`,
    `  next:   ${found.next}\n`,
  ].join("\n");
}
