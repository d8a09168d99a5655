import type { LoadedDump } from "../../protocol/files/dump-format.js";
import { takenOverTermStep, termJumpMax } from "../../protocol/files/limits.js";
import type { Meta } from "../../protocol/files/meta-format.js";
import type { Entry } from "../../protocol/log/entry.js";

/** Something that was found and dealt with at open: for the log and for the member's health. */
export interface Finding {
  readonly file: "journal" | "meta" | "dump";
  /** `repaired`: nothing was lost. `lost`: acknowledged state may be missing. */
  readonly kind: "repaired" | "lost";
  /** A sentence for the operator. */
  readonly message: string;
  /** Where the file was moved as it was found. */
  setAsideTo?: string;
}

/** What the three files said, each by itself. */
export interface FoundFiles {
  /** Whose files these are. */
  readonly selfAddr: string;
  /** Null: no journal, or one in which nothing was ever stored. */
  readonly journal: {
    readonly entries: readonly Entry[];
    readonly isLossy: boolean;
    readonly remark: string | null;
    /** A Quorate member has written it. */
    readonly isSealed: boolean;
    /** Of the program that made the file, as its header says. */
    readonly version: string;
  } | null;
  /** `damaged`: there is a file, and no sense in it. */
  readonly meta: Meta | "damaged" | null;
  readonly isMetaSealed: boolean;
  readonly dump: LoadedDump | "damaged" | null;
}

/** The state to start from, and what has to be done to the files for it. */
export interface RecoveryPlan {
  readonly term: number;
  /** Only ever a vote of `term`. */
  readonly votedFor: string | null;
  /** At most the last entry's index, at least the dump's. */
  readonly commitIndex: number;
  /** Without gaps. Where there is a dump, the first two are its `previous` and `last`. */
  readonly entries: readonly Entry[];
  readonly dump: LoadedDump | null;
  readonly isNew: boolean;
  /**
   * Acknowledged state may be missing: no vote and no leadership before a leader has brought the
   * member up to date; then write `must-refetch`. Kept across restarts.
   */
  readonly mustRefetch: boolean;
  /** Nor is it known up to which term the member has taken part. */
  readonly forgotTerm: boolean;
  /** Terms up to here may have been led twice: see the raft house's forgetful voters. */
  readonly secondTerm: number;
  /** The member neither votes nor campaigns in terms up to here: see floorOf. */
  readonly termFloor: number;
  readonly findings: Finding[];
  /** The journal must become exactly `entries`; otherwise it holds them already. */
  readonly rewritesJournal: boolean;
  /** The journal as it is must be kept beside. */
  readonly keepsOldJournal: boolean;
  /** The numbers are beyond what a cluster can reach: refuse to start. */
  readonly implausible: string | null;
}

/** The first entry of every log (upstream: `SyncObj.__init__`, command type NO_OP). */
export const firstEntry: Entry = { index: 1, term: 0, command: Uint8Array.of(1) };

/** Of 0.3.n. */
const firstThatStoresTerm = 16;

/** Decides, from what the three files say, where the member starts. Pure. */
export function planRecovery(found: FoundFiles): RecoveryPlan {
  const findings: Finding[] = [];
  const isNew = isBlank(found);
  const dump = found.dump === "damaged" ? null : found.dump;
  const meta = found.meta === "damaged" ? null : found.meta;
  noteFiles(found, isNew, findings);
  const log = joinLog(found, dump, findings);
  const lastIndex = log.entries.at(-1)?.index ?? 1;
  const isTailGone = noteTailGone(found, lastIndex, findings);
  const isLost = findings.some((finding) => finding.kind === "lost");
  const entryTerm = largestTerm([found.journal?.entries ?? [], log.entries], dump);
  const storedTerm = meta?.term ?? 0;
  const baseIndex = dump?.last.index ?? 1;
  const term = Math.max(storedTerm, entryTerm);
  return {
    term,
    votedFor: storedTerm >= entryTerm ? (meta?.votedFor ?? null) : null,
    commitIndex: Math.max(Math.min(meta?.commitIndex ?? 1, lastIndex), baseIndex),
    entries: log.entries,
    // What stands behind its end may still be read by a human.
    rewritesJournal: log.rewritesJournal || isTailGone,
    keepsOldJournal: log.keepsOldJournal || isTailGone,
    dump,
    isNew,
    mustRefetch: isLost,
    secondTerm: meta?.secondTerm ?? 0,
    termFloor: isNew ? 0 : floorOf(meta, found.isMetaSealed, term),
    forgotTerm: isLost && (meta?.forgotTerm !== false || !found.isMetaSealed),
    findings,
    implausible: implausibleTerm(found, entryTerm),
  };
}

/**
 * Where PySyncObj has kept the files, votes are forgotten, or may be: the term of the entries is the lowest that the
 * member can have been in. A third member may have been elected by it in a higher one, and hold entries of that term
 * that reached nobody. Whoever led in a term below, or in the same one once more, would lose to that log what a
 * majority had acknowledged, or hold other entries of the same index and term.
 *
 * @returns the highest term in which the member may have voted without knowing it; 0 where it has always known.
 */
export function floorOf(meta: Meta | null, isSealed: boolean, term: number): number {
  // Passed, it still tells near which terms others may have led: see look-before-truncate.ts.
  return meta !== null && isSealed ? meta.termFloor : term + takenOverTermStep;
}

/**
 * Nothing was ever stored here; or it was, and no more than that a member began: started again before it
 * has voted or met a leader, it still cannot tell whether it is new or has lost its disk.
 */
function isBlank(found: FoundFiles): boolean {
  const { journal, meta, dump } = found;
  if (dump !== null) return false;
  if (journal === null) return isUntouched(found);
  if (meta === null || meta === "damaged") return false;
  return meta.isBlank && !meta.mustRefetch && journal.entries.at(-1)?.index === 1;
}

/**
 * No meta file, or one that a first start has just made when it ended: the journal comes after it. Who
 * has ever voted, or taken an entry, has stored a term.
 */
function isUntouched({ meta, isMetaSealed }: FoundFiles): boolean {
  if (meta === null) return true;
  if (meta === "damaged" || !isMetaSealed || meta.mustRefetch) return false;
  return meta.isBlank || (meta.term === 0 && meta.votedFor === null && meta.commitIndex <= 1);
}

/** Only where nothing vouches for the stored term: one damaged bit may not set a cluster's term. */
function implausibleTerm(found: FoundFiles, entryTerm: number): string | null {
  if (found.meta === null || found.meta === "damaged" || found.isMetaSealed) return null;
  if (found.meta.term - entryTerm <= termJumpMax) return null;
  return `the stored term ${found.meta.term} is out of all proportion to the log's ${entryTerm}`;
}

function noteFiles(found: FoundFiles, isNew: boolean, findings: Finding[]): void {
  const { journal, meta, dump } = found;
  if (journal === null && !isNew) {
    findings.push({ file: "journal", kind: "lost", message: "the journal is missing" });
  }
  if (journal !== null && journal.remark !== null) {
    const kind = journal.isLossy ? "lost" : "repaired";
    findings.push({ file: "journal", kind, message: journal.remark });
  }
  if (meta === "damaged") {
    const message = "term and vote are unreadable: the member may have voted";
    findings.push({ file: "meta", kind: "lost", message });
  }
  if (meta === null && journal !== null && hadMeta(journal, lastIndexIn(found))) {
    const message = "term and vote are missing: the member may have voted";
    findings.push({ file: "meta", kind: "lost", message });
  }
  if (meta !== null && meta !== "damaged" && meta.mustRefetch) {
    const message = "the state was incomplete at the last start, and no leader has completed it";
    findings.push({ file: "meta", kind: "lost", message });
  }
  if (dump === "damaged") {
    // Not yet a loss: the journal may reach back to the first entry.
    findings.push({ file: "dump", kind: "repaired", message: "the dump is unreadable" });
  }
}

/**
 * Whether a meta file has certainly been there. Quorate stores one before its journal; PySyncObj from 0.3.16
 * on at each change of the term, and so before any entry behind the first one. The header keeps the version
 * of the program that made the file: an older one says nothing of who has written to it since.
 */
export function hadMeta(
  { isSealed, version }: { readonly isSealed: boolean; readonly version: string },
  lastIndex: number,
): boolean {
  const patch = /^0\.3\.(\d+)$/.exec(version)?.[1];
  return isSealed || (Number(patch ?? 0) >= firstThatStoresTerm && lastIndex > 1);
}

function lastIndexIn({ journal, dump }: FoundFiles): number {
  const dumped = dump === null || dump === "damaged" ? 0 : dump.last.index;
  return Math.max(journal?.entries.at(-1)?.index ?? 0, dumped);
}

/**
 * Whether entries up to the stored commit index were there once. Ours is stored behind the entries. That of
 * PySyncObj from 0.3.16 on, which stores a term, is cut where the log is. Up to 0.3.15 it stays beyond an
 * end that a leader has cut, however little of what was cut had been committed.
 */
export function vouchesForEntries(meta: Meta, isSealed: boolean): boolean {
  return isSealed || meta.term > 0;
}

/** Whole files, and yet a part of the log is gone: an older journal, or pages lost with the power. */
function noteTailGone(found: FoundFiles, lastIndex: number, findings: Finding[]): boolean {
  const { meta, isMetaSealed } = found;
  if (meta === null || meta === "damaged" || meta.commitIndex <= lastIndex) return false;
  if (!vouchesForEntries(meta, isMetaSealed)) return false;
  if (findings.some(({ kind }) => kind === "lost")) return false;
  const message = `the log ends at ${lastIndex}, and entries up to ${meta.commitIndex} were committed here`;
  findings.push({ file: "journal", kind: "lost", message });
  return true;
}

/**
 * Nobody sends a dump to a member that is alone, and its own is of entries that its journal holds. So a journal
 * that ends before the dump is an older one, which somebody has put back, and what stood behind the dump is gone.
 * Where there are others it may be that a leader's dump had just replaced the log.
 */
export function isOlderJournal(
  selfAddr: string,
  last: Pick<Entry, "index"> | null | undefined,
  { members, previous }: Pick<LoadedDump, "members" | "previous">,
): boolean {
  const isAlone = members.length > 0 && members.every((member) => member === selfAddr);
  // What `quorate recover` makes ends one entry behind the journal that it replaces.
  return isAlone && last !== null && last !== undefined && last.index < previous.index;
}

function olderJournal(lastIndex: number, dumpIndex: number): Finding {
  const message =
    `it ends at ${lastIndex}, and the dump of this member alone at ${dumpIndex}: an older journal was put back, or a ` +
    `part of it is gone. Up to ${dumpIndex} the data are whole; what was acknowledged behind that is missing`;
  return { file: "journal", kind: "lost", message };
}

type JoinedLog = Pick<RecoveryPlan, "entries" | "rewritesJournal" | "keepsOldJournal">;

/** Joins dump and journal into one log without a gap. */
function joinLog(found: FoundFiles, dump: LoadedDump | null, findings: Finding[]): JoinedLog {
  const entries = found.journal?.entries ?? [];
  const isLossy = found.journal?.isLossy === true;
  if (dump !== null) {
    const isOlder = !isLossy && isOlderJournal(found.selfAddr, entries.at(-1), dump);
    if (isOlder) findings.push(olderJournal(entries.at(-1)?.index ?? 0, dump.last.index));
    return joinWithDump(entries, { dump, isLossy: isLossy || isOlder, findings });
  }
  const [first] = entries;
  if (first?.index === 1) {
    return { entries, rewritesJournal: isLossy, keepsOldJournal: isLossy };
  }
  if (first !== undefined) {
    const message = `the journal begins at ${first.index}, and there is no dump of what came before`;
    findings.push({ file: "dump", kind: "lost", message });
  } else if (found.dump === "damaged") {
    findings.push({ file: "dump", kind: "lost", message: "no journal replaces the dump" });
  }
  const keepsOldJournal = isLossy || first !== undefined;
  return { entries: [firstEntry], rewritesJournal: true, keepsOldJournal };
}

function joinWithDump(
  entries: readonly Entry[],
  context: { readonly dump: LoadedDump; readonly isLossy: boolean; readonly findings: Finding[] },
): JoinedLog {
  const { dump, isLossy, findings } = context;
  const base = [dump.previous, dump.last];
  const [first] = entries;
  if (first === undefined || (entries.at(-1)?.index ?? 0) <= dump.last.index) {
    const isSame = entries.length === 2 && isSameEntry(first, dump.previous);
    if (isSame && isSameEntry(entries.at(1), dump.last)) {
      return { entries, rewritesJournal: isLossy, keepsOldJournal: isLossy };
    }
    // The dump is newer than all of the journal: the crash came between the two renames.
    return { entries: base, rewritesJournal: true, keepsOldJournal: isLossy };
  }
  if (first.index > dump.last.index + 1) {
    const message = `the dump ends at ${dump.last.index}, the journal begins at ${first.index}`;
    findings.push({ file: "journal", kind: "lost", message });
    return { entries: base, rewritesJournal: true, keepsOldJournal: true };
  }
  const held = entries[dump.last.index - first.index];
  if (held !== undefined && held.term !== dump.last.term) {
    // A leader's dump had replaced this log when the crash came.
    const message = `the journal contradicts the dump at ${dump.last.index}: the dump holds`;
    findings.push({ file: "journal", kind: "repaired", message });
    return { entries: base, rewritesJournal: true, keepsOldJournal: true };
  }
  const after = entries.slice(dump.last.index + 1 - first.index);
  const isInPlace =
    isSameEntry(first, dump.previous) && isSameEntry(entries.at(1), dump.last) && !isLossy;
  return { entries: [...base, ...after], rewritesJournal: !isInPlace, keepsOldJournal: isLossy };
}

/** Upstream compares the commands as well, and clears the journal where they differ. */
function isSameEntry(a: Entry | undefined, b: Entry): boolean {
  if (a === undefined || a.index !== b.index || a.term !== b.term) return false;
  return a.command.length === b.command.length && a.command.every((v, at) => v === b.command[at]);
}

function largestTerm(logs: readonly (readonly Entry[])[], dump: LoadedDump | null): number {
  let term = Math.max(dump?.last.term ?? 0, dump?.previous.term ?? 0);
  for (const entries of logs) {
    for (const entry of entries) term = Math.max(term, entry.term);
  }
  return term;
}
