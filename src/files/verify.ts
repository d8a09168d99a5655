import type { Clock } from "../clock.js";
import type { FileSystem } from "../storage/file-system.js";
import { findHolder } from "../storage/process-lock.js";
import { type CheckedJournal, checkJournal } from "./check-journal.js";
import type { MemberPaths } from "./data-path.js";
import { lookAgain } from "./look-again.js";
import { type ReadDump, readDump } from "./read-dump.js";
import { type ReadMeta, readMeta } from "./read-meta.js";
import { finding, type Severity, type VerifyFinding, worstOf } from "./verify-findings.js";
import { dumpFindings, jointFindings, journalFindings, metaFindings } from "./verify-rules.js";
import type { Watch } from "./watch.js";

/** What the files of one member hold, all of it read. */
export interface CheckedFiles {
  readonly paths: MemberPaths;
  readonly journal: CheckedJournal | null;
  readonly meta: ReadMeta | null;
  readonly dump: ReadDump | null;
}

export interface VerifyReport {
  readonly address: string;
  readonly directory: string;
  readonly inUseBy: number | null;
  /** The gravest finding; null where there is none. */
  readonly worst: Severity | null;
  readonly findings: readonly VerifyFinding[];
  /** Of the entries that count. */
  readonly entries: { readonly first: number; readonly last: number } | null;
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
  const findings = [...findingsOf(files, isAlone)];
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
    storeCheckedAt: files.journal?.storeDifferences == null ? null : dumpIndex,
  };
}

/** Reads all files of a member. */
export async function checkFiles(
  fs: FileSystem,
  paths: MemberPaths,
  watch: Watch = {},
): Promise<CheckedFiles> {
  const meta = paths.meta === null ? null : await readMeta(fs, paths.meta);
  const dump = paths.dump === null ? null : await readDump(fs, paths.dump, watch);
  const isMetaOurs = meta?.kind === "meta" && meta.isSealed;
  const readable = dump?.kind === "dump" ? dump.dump : null;
  const journal =
    paths.journal === null
      ? null
      : await checkJournal(fs, paths.journal, { isMetaOurs, dump: readable, watch });
  return { paths, journal, meta, dump };
}

export function findingsOf(files: CheckedFiles, isAlone: boolean): readonly VerifyFinding[] {
  return [
    ...besideFindings(files.paths),
    ...journalFindings(files),
    ...metaFindings(files),
    ...dumpFindings(files),
    ...(isAlone ? [] : jointFindings(files)),
  ];
}

function besideFindings({ others, directory }: MemberPaths): VerifyFinding[] {
  return others.flatMap((name) => {
    const path = `${directory}/${name}`;
    if (name.endsWith(".quorate-lock")) return [];
    const isKept =
      name.includes(".damaged-") || name.includes(".conflict-") || name.includes(".before-");
    return [finding(isKept ? "set-aside" : "leftover", { file: null, path }, name)];
  });
}
