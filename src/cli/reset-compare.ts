import type { MemberPaths } from "../files/data-path.js";
import { readDump } from "../files/read-dump.js";
import { readJournal } from "../files/read-journal.js";
import { readMeta } from "../files/read-meta.js";
import { nodeFileSystem } from "../storage/node-file-system.js";
import { bytesOf } from "./chosen-files.js";
import type { CliContext } from "./context.js";
import { CliError } from "./exit-codes.js";
import { withProgress } from "./progress-line.js";

/** What of the files of one of two members can be set against what the other one knows. */
export interface Compared {
  /** Up to here they know entries as committed; null: they do not say. */
  readonly committed: number | null;
  /** The journal's last entry, read where the others do not say; null: not read, or there is none. */
  readonly journalEnd: number | null;
  /** What says nothing, and why, in words. */
  readonly unread: readonly string[];
}

/**
 * Of two the other member holds all that was ever confirmed: but for one that was only just added, in whose
 * place nobody would have the data.
 *
 * @param otherCommit Up to where the other one knows entries as committed.
 * @throws CliError where these files are needed; or may be, and `acceptsUncompared` is not given.
 */
export async function compareWithOther(
  context: CliContext,
  member: MemberPaths,
  {
    otherCommit,
    acceptsUncompared,
  }: { readonly otherCommit: number; readonly acceptsUncompared: boolean },
): Promise<Compared> {
  const compared = await readKnown(context, member);
  const { committed, journalEnd, unread } = compared;
  if (committed !== null && otherCommit < committed) {
    throw new CliError(
      `the other member knows entries up to ${otherCommit} as committed, this one up to ${committed}: these files ` +
        "are needed. Nothing was changed",
    );
  }
  const isProven = journalEnd === null ? committed !== null : otherCommit >= journalEnd;
  if (isProven || acceptsUncompared) return compared;
  const open =
    journalEnd === null
      ? "there is nothing to compare with the other member"
      : `the journal ends at entry ${journalEnd}, and nothing says how much of it was committed; the other member ` +
        `knows entries up to ${otherCommit} as committed`;
  throw new CliError(
    `${unread.join("; ")}: ${open}. Where it has been a member for long and holds the data (quorate kv ls, quorate ` +
      "status): the same with --accept-uncompared. Nothing was changed",
  );
}

async function readKnown(context: CliContext, member: MemberPaths): Promise<Compared> {
  const { meta, dump, journal } = member;
  const totalBytes = await bytesOf([dump, journal]);
  const progress = { doing: "reading", totalBytes, stopped: "stopped: nothing was changed" };
  return await withProgress(context, progress, async (watch) => {
    const unread: string[] = [];
    const readMetaFile = meta === null ? null : await readMeta(nodeFileSystem, meta);
    const readDumpFile = dump === null ? null : await readDump(nodeFileSystem, dump, watch);
    const known: number[] = [];
    if (readMetaFile?.kind === "meta") known.push(readMetaFile.meta.commitIndex);
    else unread.push(whyNot("the meta file", readMetaFile));
    if (readDumpFile?.kind === "dump") known.push(readDumpFile.dump.last.index);
    else unread.push(whyNot("the dump", readDumpFile));
    // The dump alone says how much was committed at least, and the journal may go on behind it.
    if (readMetaFile?.kind === "meta")
      return { committed: Math.max(...known), journalEnd: null, unread };
    const log =
      journal === null ? null : (await readJournal(nodeFileSystem, journal, { watch })).log;
    if (log?.first == null) unread.push("the journal holds no entry that can be read");
    // What a compaction has removed was committed.
    if (log?.first != null && log.first.index > 1) known.push(log.first.index);
    const committed = known.length > 0 ? Math.max(...known) : null;
    return { committed, journalEnd: log?.last?.index ?? null, unread };
  });
}

function whyNot(name: string, read: { readonly reason?: string } | null): string {
  return read === null ? `${name} is not there` : `${name} cannot be read (${read.reason ?? ""})`;
}

/** For the table. */
export function comparedText(
  { committed, journalEnd, unread }: Compared,
  otherCommit: number,
): string {
  const other = `the other member knows entries up to ${otherCommit} as committed`;
  const own =
    committed !== null
      ? `these files up to ${committed}`
      : journalEnd !== null
        ? `the journal here ends at ${journalEnd}`
        : "NOT COMPARED with anything here";
  return unread.length === 0 ? `${other}, ${own}` : `${other}, ${own}; ${unread.join("; ")}`;
}
