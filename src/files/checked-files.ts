import type { FileSystem } from "../storage/file-system.js";
import { type CheckedJournal, checkJournal } from "./check-journal.js";
import type { MemberPaths } from "./data-path.js";
import { type ReadDump, readDump } from "./read-dump.js";
import { type ReadMeta, readMeta } from "./read-meta.js";
import { finding, type VerifyFinding } from "./verify-findings.js";
import { dumpFindings, jointFindings, journalFindings, metaFindings } from "./verify-rules.js";
import type { Watch } from "./watch.js";

/** What the files of one member hold, all of it read. */
export interface CheckedFiles {
  readonly paths: MemberPaths;
  readonly journal: CheckedJournal | null;
  readonly meta: ReadMeta | null;
  readonly dump: ReadDump | null;
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
