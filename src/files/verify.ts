import type { Clock } from "../clock.js";
import type { FileSystem } from "../storage/file-system.js";
import { findHolder } from "../storage/process-lock.js";
import { checkFiles, findingsOf } from "./checked-files.js";
import type { MemberPaths } from "./data-path.js";
import { lookAgain } from "./look-again.js";
import { withAdvice } from "./verify-advice.js";
import { finding, type Severity, type VerifyFinding, worstOf } from "./verify-findings.js";
import type { Watch } from "./watch.js";

export interface VerifyReport {
  readonly address: string;
  readonly directory: string;
  readonly inUseBy: number | null;
  /** The gravest finding; null where there is none. */
  readonly worst: Severity | null;
  readonly findings: readonly VerifyFinding[];
  /** Of the entries that count. */
  readonly entries: { readonly first: number; readonly last: number } | null;
  /** The last entry that a readable dump holds. */
  readonly dumpAt: number | null;
  /** Whether the dump's data could be compared with the fold of the log, and up to which entry. */
  readonly storeCheckedAt: number | null;
}

export interface VerifyOptions {
  readonly watch?: Watch;
  readonly clock?: Clock;
  /** Only this file was asked about: nothing is said of what is missing beside it. */
  readonly isAlone?: boolean;
}

/**
 * Checks every rule that can be checked offline. The files of a running member are read again where
 * something is found, since it may have been amid a change.
 *
 * @throws FilesError where a file that is there cannot be read.
 */
export async function verifyMember(
  fs: FileSystem,
  paths: MemberPaths,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  return await lookAgain(
    () => verifyOnce(fs, paths, options),
    (report, before) =>
      report.inUseBy === null ||
      report.worst === "note" ||
      (before !== null && codesOf(before) === codesOf(report)),
    options.clock,
  );
}

function codesOf({ findings }: VerifyReport): string {
  return findings.map(({ code, detail }) => `${code} ${detail}`).join("\n");
}

async function verifyOnce(
  fs: FileSystem,
  paths: MemberPaths,
  { watch = {}, isAlone = false }: VerifyOptions,
): Promise<VerifyReport> {
  const inUseBy = paths.journal === null ? null : await findHolder(paths.journal);
  const files = await checkFiles(fs, paths, watch);
  const found = findingsOf(files, isAlone);
  // Of one file by itself nobody can say what its member's others would let a repair do.
  const findings = isAlone ? [...found] : withAdvice(files, found);
  if (inUseBy !== null && paths.journal !== null) {
    findings.unshift(
      finding("in-use", { file: "journal", path: paths.journal }, `process ${inUseBy}`),
    );
  }
  const { first, last } = files.journal?.log ?? {};
  const dumpIndex = files.dump?.kind === "dump" ? files.dump.dump.last.index : null;
  return {
    address: paths.address,
    directory: paths.directory,
    inUseBy,
    worst: worstOf(findings),
    findings,
    entries: first && last ? { first: first.index, last: last.index } : null,
    dumpAt: dumpIndex,
    storeCheckedAt: files.journal?.storeDifferences == null ? null : dumpIndex,
  };
}
