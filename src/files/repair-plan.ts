import { journalHeaderBytes } from "../../protocol/files/journal-format.js";
import type { Meta } from "../../protocol/files/meta-format.js";
import type { Entry } from "../../protocol/log/entry.js";
import { emptyMeta } from "../storage/meta-file.js";
import { firstEntry, floorOf, vouchesForEntries } from "../storage/recovery.js";
import type { CheckedJournal } from "./check-journal.js";
import { type CheckedFiles, findingsOf } from "./checked-files.js";
import type { FileKind } from "./data-path.js";
import type { FindingCode, VerifyFinding } from "./verify-findings.js";

/** One thing that is put right. */
export interface Mend {
  readonly code: FindingCode;
  readonly file: FileKind;
  readonly path: string;
  /** What was found. */
  readonly detail: string;
  /** What will be done. */
  readonly does: string;
  /**
   * Acknowledged entries, or a vote, may be missing when it is done: Quorate then neither votes nor
   * leads before a leader has completed the member. PySyncObj knows of no such thing.
   */
  readonly mayLack: boolean;
  /** What may be missing already, and no repair brings back; null: nothing is known to be. */
  readonly lackedBefore: string | null;
}

export interface RepairPlan {
  readonly mends: readonly Mend[];
  /** What no program should decide: as long as there is any of it nothing is done. */
  readonly needsHuman: readonly VerifyFinding[];
  /** Sound files of a member that is to be completed by a leader: no repair can do that. */
  readonly waits: boolean;
}

/** How the files will be. */
export interface RepairTarget {
  /** Null: the journal stays as it is. */
  readonly journal: {
    /** Entries that come before the copied range. */
    readonly head: readonly Entry[];
    /** Entries up to this index are left out of the range, as the head stands for them. */
    readonly after: number;
    /** The records from the header to this offset. */
    readonly end: number;
  } | null;
  /** Null: the meta file stays as it is. */
  readonly meta: Meta | null;
  readonly setsDumpAside: boolean;
}

export interface RepairOptions {
  /** The member is all of its cluster: nobody could complete it, and no other vote collides with its own. */
  readonly isAlone: boolean;
}

type MendText = (
  files: CheckedFiles,
) => Pick<Mend, "does" | "mayLack"> & Partial<Pick<Mend, "lackedBefore">>;

const keeps = (files: CheckedFiles) => {
  const last = journalEnd(files.journal).last;
  return last === null ? "no entry" : `the entries up to ${last}`;
};

const keepsDump = (files: CheckedFiles) => `the data up to ${lastIndexOf(files)}`;

/** What each finding that can be mended safely comes to. */
const mendTexts: Readonly<Partial<Record<FindingCode, MendText>>> = {
  "journal-header-damaged": () => ({ does: "writes the header anew", mayLack: false }),
  "journal-end-moved": (files) => ({
    does: `puts the end offset behind the last entry that the checksum covers: ${keeps(files)}`,
    mayLack: false,
  }),
  "journal-torn": (files) => ({
    does: `cuts the last write, which was never acknowledged, off: ${keeps(files)} stay`,
    mayLack: false,
  }),
  "journal-end-offset": (files) => ({
    does: `puts the end offset behind the last whole entry: ${keeps(files)} stay`,
    mayLack: files.journal?.isRestZero !== true || endsBehindFile(files.journal),
  }),
  "journal-records": (files) => ({
    does: isStaleEnd(files.journal)
      ? `puts the end offset, which lies amid an entry, behind the last whole one: ${keeps(files)} stay`
      : `cuts the journal behind the last whole entry: ${keeps(files)} stay`,
    mayLack: !isStaleEnd(files.journal) || files.journal?.isRestZero !== true,
  }),
  "journal-gap": (files) => ({
    does: `cuts the journal before the gap: ${keeps(files)} stay`,
    mayLack: true,
  }),
  "journal-older": (files) => ({
    does: `makes the journal begin with the dump's last two entries: ${keepsDump(files)} stay`,
    mayLack: true,
  }),
  "journal-foreign-tail": (files) => ({
    does: `cuts the journal behind the last whole entry: ${keeps(files)} stay`,
    mayLack: true,
  }),
  "journal-last-batch": (files) => ({
    does: `cuts the damaged batch off: ${keeps(files)} stay`,
    mayLack: true,
  }),
  "dump-unjoined": () => ({
    does: "makes the journal begin with the dump's last two entries, so that every version joins them",
    mayLack: false,
  }),
  "dump-spare-damaged": () => ({
    does: "sets the dump aside: the journal holds every entry from the first one on",
    mayLack: false,
  }),
  "meta-lost": (files) => rebuiltMeta(files),
  "meta-damaged": (files) => rebuiltMeta(files),
  "meta-copy": () => ({ does: "writes both copies anew from the whole one", mayLack: false }),
  "meta-term-behind": (files) => ({
    does: `stores term ${safeTerm(files)}, with no vote in it`,
    mayLack: false,
  }),
  "commit-beyond-log": (files) => ({
    does: `stores ${lastIndexOf(files)}, the log's end, as commit index`,
    mayLack: isCommittedGone(files),
    // Of versions that cut their log and keep the index: nothing says that the others have these entries.
    lackedBefore: isCommittedGone(files) ? null : lackedText(files),
  }),
};

function rebuiltMeta(files: CheckedFiles): Pick<Mend, "does" | "mayLack"> {
  const does = `stores term ${safeTerm(files)}, the highest of any entry, and no vote: that one is lost`;
  return { does, mayLack: true };
}

function lackedText(files: CheckedFiles): string | null {
  const last = lastIndexOf(files);
  const { meta } = files;
  const committed = meta?.kind === "meta" ? meta.meta.commitIndex : last;
  if (committed <= last) return null;
  return (
    `nothing by this mend. But entries ${last + 1} to ${committed} were known here as committed, and are gone ` +
    "already: first see which of the others has them (quorate doctor DIR DIR)"
  );
}

/** What can be put right safely, and what cannot. */
export function planRepair(files: CheckedFiles, options: RepairOptions): RepairPlan {
  const findings = findingsOf(files, false);
  const mends = findings.flatMap(({ code, file, path, detail }): Mend[] => {
    const text = mendTexts[code]?.(files);
    if (text === undefined || file === null) return [];
    return [{ code, file, path, detail, lackedBefore: null, ...text }];
  });
  const isMarked = findings.some(({ code }) => code === "meta-must-refetch");
  if (options.isAlone && isMarked) {
    mends.push({
      ...{ code: "meta-must-refetch", file: "meta", path: files.paths.meta ?? "" },
      detail: "the member waits for a leader",
      does: "lets it vote and lead again: there is no other member to wait for",
      mayLack: true,
      lackedBefore: null,
    });
  }
  const mended = new Set(mends.map(({ code }) => code));
  const needsHuman = findings.filter(
    ({ code, severity }) => severity === "damage" && !mended.has(code),
  );
  return { mends, needsHuman, waits: isMarked && !options.isAlone };
}

/** @param mends Those of the plan that are wanted. */
export function targetOf(
  files: CheckedFiles,
  mends: readonly Mend[],
  { isAlone }: RepairOptions,
): RepairTarget {
  const codes = new Set(mends.map(({ code }) => code));
  const { journal, meta, paths } = files;
  const stored = meta?.kind === "meta" ? meta.meta : emptyMeta;
  const mendsJournal = mends.some(
    ({ file, code }) => file === "journal" || code === "dump-unjoined",
  );
  const term = safeTerm(files);
  const mayLack = mends.some((mend) => mend.mayLack) || stored.mustRefetch;
  const target: Meta = {
    ...stored,
    term,
    votedFor: stored.term === term ? stored.votedFor : null,
    commitIndex: Math.max(Math.min(stored.commitIndex, lastIndexOf(files)), 1),
    mustRefetch: mayLack && !isAlone,
    termFloor: floorOf(stored, meta?.kind === "meta" && meta.isSealed, term),
    forgotTerm:
      mayLack && !isAlone && (meta?.kind !== "meta" || !meta.isSealed || stored.forgotTerm),
    owner: paths.address.includes(":") ? paths.address : null,
  };
  return {
    journal:
      mendsJournal && journal !== null
        ? { end: journalEnd(journal).offset, ...newHead(files) }
        : null,
    meta: mendsJournal || mends.some(({ file }) => file === "meta") ? target : null,
    setsDumpAside: codes.has("dump-spare-damaged"),
  };
}

/** What a journal that is written anew begins with: the dump's two entries, so that every version joins them. */
function newHead({ journal, dump }: CheckedFiles): { head: readonly Entry[]; after: number } {
  if (dump?.kind === "dump") {
    const { previous, last } = dump.dump;
    return { head: [previous, last], after: last.index };
  }
  // Nothing could be kept: the log begins anew, and the member waits for a leader.
  return { head: journal?.log.first === null ? [firstEntry] : [], after: 0 };
}

/** As the member's own start sees it, of the journal as it will be. */
function isCommittedGone(files: CheckedFiles): boolean {
  const { meta } = files;
  if (meta?.kind !== "meta" || !vouchesForEntries(meta.meta, meta.isSealed)) return false;
  return meta.meta.commitIndex > lastIndexOf(files);
}

/** The file was longer once: what it has lost, with the power, nobody knows. */
function endsBehindFile({ endOffset, bytes }: CheckedJournal): boolean {
  return endOffset !== null && endOffset > bytes;
}

/** The end offset lies within an entry that is whole: the offset is wrong, and not the entry. */
function isStaleEnd(journal: CheckedJournal | null): boolean {
  const { verdict = null, behindEnd = null, endOffset = null } = journal ?? {};
  if (verdict?.cause !== "records" || behindEnd === null || endOffset === null) return false;
  return verdict.end < endOffset && behindEnd.end > endOffset;
}

function journalEnd(journal: CheckedJournal | null): { offset: number; last: number | null } {
  const last = journal?.log.last?.index ?? null;
  if (isStaleEnd(journal)) {
    const { end = journalHeaderBytes, last: found = null } = journal?.behindEnd ?? {};
    return { offset: end, last: found };
  }
  return { offset: journal?.verdict?.end ?? journalHeaderBytes, last };
}

function lastIndexOf({ journal, dump }: CheckedFiles): number {
  const dumped = dump?.kind === "dump" ? dump.dump.last.index : 0;
  return Math.max(journalEnd(journal).last ?? 0, dumped);
}

/** The largest that is stored anywhere: with a dip the last entry's would be too small. */
function safeTerm({ journal, dump, meta }: CheckedFiles): number {
  const dumped = dump?.kind === "dump" ? [dump.dump.last.term, dump.dump.previous.term] : [];
  const stored = meta?.kind === "meta" ? meta.meta.term : 0;
  return Math.max(stored, journal?.log.largestTerm ?? 0, ...dumped);
}
