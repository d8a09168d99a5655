import type { FileKind } from "./data-path.js";

/**
 * `note`: nothing is wrong, but it should be known. `warning`: a start or an operator has something to put right
 * or to compare. `damage`: something is missing or not what was written.
 */
export type Severity = "note" | "warning" | "damage";

interface FindingText {
  readonly severity: Severity;
  /** What it means, for somebody who knows the cluster and not the files. */
  readonly means: string;
  /** What to do next. */
  readonly next: string;
}

export const refetchText =
  "Start the member with Quorate: it sets the file aside, neither votes nor leads, and takes what is " +
  "missing from the leader. With PySyncObj move the member's files away, and remove and add it again.";
/** Of a journal whose dump is not there. */
export const refetchJournalText = refetchText.replace("the file aside", "the journal aside");
/** Of a file that is not there. */
export const refetchMissingText =
  "Start the member with Quorate: it neither votes nor leads, and takes what is missing from the leader. " +
  "With PySyncObj move the member's files away, and remove and add it again.";
export const repairText = "quorate repair mends it, and keeps the file as it is beside.";
const [refetch, refetchMissing, repair] = [refetchText, refetchMissingText, repairText];
const nothing = "Nothing.";

/** Every finding of `verify`: the codes are stable, scripts may rely on them. */
export const verifyFindings = {
  "in-use": {
    severity: "note",
    means: "A process holds the files open: what was read may have changed meanwhile.",
    next: "For a verdict that stands, stop the member, or copy its files and verify the copy.",
  },
  leftover: {
    severity: "note",
    means: "A file that a write left unfinished. It holds nothing that counts.",
    next: "Nothing: a start of Quorate removes its own; *.tmp of PySyncObj is overwritten.",
  },
  "set-aside": {
    severity: "note",
    means: "A file that was kept as it was when something was wrong with it, or after a conflict.",
    next: "quorate inspect shows what it holds. Remove it when nobody needs it any more.",
  },
  "journal-missing": {
    severity: "damage",
    means: "There are other files of this member and no journal: its log is gone.",
    next: refetchMissing,
  },
  "journal-blank": {
    severity: "note",
    means: "A journal in which nothing was ever stored: the member had just been made.",
    next: nothing,
  },
  "journal-not-a-journal": {
    severity: "damage",
    means: "The file does not begin as a journal does: something else was written there.",
    next: `Put the right file there. Otherwise: ${refetch}`,
  },
  "journal-header-damaged": {
    severity: "warning",
    means: "The header is not what Quorate wrote. All records are: their checksum fits.",
    next: `Check the disk. ${repair}`,
  },
  "journal-rewritten": {
    severity: "note",
    means:
      "PySyncObj has rewritten what Quorate had sealed: no checksum covers the records any more.",
    next: nothing,
  },
  "journal-partly-sealed": {
    severity: "note",
    means:
      "PySyncObj has written to a journal of Quorate's: only a part is covered by its checksums.",
    next: nothing,
  },
  "journal-checksum": {
    severity: "damage",
    means: "The records are not what Quorate wrote, and nobody can say where they differ.",
    next: `Check the disk. ${refetch}`,
  },
  "journal-torn": {
    severity: "warning",
    means:
      "The last write did not reach the disk whole. It was never acknowledged: nothing is lost.",
    next: `Quorate cuts it off at its start. ${repair}`,
  },
  "journal-last-batch": {
    severity: "damage",
    means: "The entries of the last write are damaged. All before them are as they were written.",
    next: `Check the disk. ${refetch}`,
  },
  "journal-end-moved": {
    severity: "warning",
    means:
      "Entries that Quorate wrote stand whole behind the end offset: PySyncObj has cut them since, or " +
      "the offset is damaged. In doubt they count: an entry that comes back does no harm in raft.",
    next: repair,
  },
  "journal-foreign-tail": {
    severity: "damage",
    means:
      "Entries that PySyncObj added behind Quorate's do not hold together up to the end offset.",
    next: `Check the disk. ${repair} What is missing comes from the leader.`,
  },
  "journal-end-offset": {
    severity: "damage",
    means:
      "The header names an end that cannot be: PySyncObj died while it rewrote the file, or the header " +
      "is damaged. Entries may be missing.",
    next: `${repair} What is missing comes from the leader.`,
  },
  "journal-records": {
    severity: "damage",
    means: "The records cease to hold together before the end offset: torn by a crash, or damaged.",
    next: `Check the disk. ${repair} What is missing comes from the leader.`,
  },
  "journal-gap": {
    severity: "damage",
    means:
      "An entry does not have the index after the one before it: pages lost with the power, or damage.",
    next: `Check the disk. ${repair} What is missing comes from the leader.`,
  },
  "entry-left-out": {
    severity: "damage",
    means:
      "An entry is missing amid the journal, and those behind it are whole. PySyncObj up to 0.3.15 doubles a file " +
      "that is too small once: an entry that does not fit even then is committed all the same, and stands in no " +
      "member's journal. As long as members run, they have it in memory.",
    next:
      "Start no PySyncObj member on such files, and never stop two members at once: they would lead nobody, or lose " +
      "what is behind the gap. Take quorate backup from the running members first; then move them to Quorate one at " +
      "a time (quorate migrate plan): each takes the whole log from those that run. Neither quorate repair nor " +
      "quorate recover: both would drop the entries behind. Where no member runs any more, quorate inspect --entries " +
      "shows those.",
  },
  "journal-stray-term": {
    severity: "damage",
    means:
      "One entry has a term that no cluster can have reached, and the next one knows nothing of it.",
    next: `Check the disk. ${refetch}`,
  },
  "journal-implausible": {
    severity: "damage",
    means: "An index or term that no cluster can have reached, and the log goes on from it.",
    next:
      "Quorate refuses to start on it; PySyncObj would carry the term into the cluster. Restore the files, or move " +
      "them away and let the member start empty, after it was removed from the cluster and added again. Where the " +
      "other members' files hold it as well, somebody has driven the cluster there: do the same with one after the " +
      "other, beside members of PySyncObj that run.",
  },
  "journal-behind-end": {
    severity: "note",
    means:
      "Whole entries that would go on with the log stand behind the end offset: such as PySyncObj has " +
      "cut, or such whose end offset did not reach the disk before a crash.",
    next: "Nothing. quorate inspect on a copy with a corrected end offset would show them.",
  },
  "first-entry": {
    severity: "warning",
    means: "The log's first entry is not the no-op of term 0 that every log begins with.",
    next: "Compare it with the other members' first entries.",
  },
  "term-dip": {
    severity: "warning",
    means:
      "The term goes down: members of PySyncObj up to 0.3.15 have forgotten their term. Entries after " +
      "that point may be cut by a member with an older log, though they were acknowledged.",
    next: "Compare the members before any of them is restarted: see docs/upstream-defect.md.",
  },
  "entry-stops-pysyncobj": {
    severity: "warning",
    means:
      "An entry that raises in PySyncObj: its members stop there for ever, at each start again. Where the " +
      "other members' entry is another one, the bytes of this file were changed on the disk.",
    next:
      "Compare it with the other members first (quorate doctor DIR DIR). Where this one alone has it: move " +
      "its files away, and remove and add it again. Where all have it: run Quorate members, which pass over " +
      "it, until a compaction has removed it.",
  },
  "meta-missing": {
    severity: "note",
    means:
      "There is no meta file. In PySyncObj up to 0.3.15, which has made the journal, it holds nothing but " +
      "the commit index; and a member that ran for less than a second has none.",
    next:
      "Nothing, as long as nothing newer than 0.3.15 has run on these files. Otherwise the member may have " +
      "voted: move its files away, and remove and add it again.",
  },
  "vote-unknown": {
    severity: "warning",
    means:
      "There is no meta file, in which PySyncObj from 0.3.16 on keeps its vote, and nothing but the first " +
      "entry in the journal: the member ran for less than a second, or its vote is lost.",
    next:
      "Nothing where the member had just been made. Where it may have voted: move its files away, and remove " +
      "and add it again.",
  },
  "meta-lost": {
    severity: "damage",
    means:
      "A Quorate member, or PySyncObj from 0.3.16 on, has made the journal, and the meta file with term and " +
      "vote is gone: the member may have voted.",
    next: `${repair} Or: ${refetchMissing}`,
  },
  "meta-damaged": {
    severity: "damage",
    means: "Term, vote and commit index are unreadable: the member may have voted.",
    next: `${repair} Or: ${refetch}`,
  },
  "meta-copy": {
    severity: "warning",
    means: "One of the two copies of term and vote is damaged. The other one is whole.",
    next: `Check the disk. ${repair}`,
  },
  "meta-foreign": {
    severity: "damage",
    means: "Term and vote are another member's.",
    next: "Quorate refuses to start on it. Start the member with that address, or bring the right files here.",
  },
  "meta-must-refetch": {
    severity: "warning",
    means: "Something was missing at the last start, and no leader has completed the member yet.",
    next: "Start it with Quorate, with a leader in reach. It neither votes nor leads before.",
  },
  "meta-term-behind": {
    severity: "warning",
    means: "The stored term is lower than that of an entry, so the stored vote is of no account.",
    next: "Nothing: a start takes the higher term.",
  },
  "meta-implausible": {
    severity: "damage",
    means: "The stored term is out of all proportion to the log's.",
    next:
      "Quorate refuses to start on it; PySyncObj would carry the term into the cluster. Restore the files, or move " +
      "them away and let the member start empty, after it was removed from the cluster and added again. Where the " +
      "other members' files hold it as well, somebody has driven the cluster there: do the same with one after the " +
      "other, beside members of PySyncObj that run.",
  },
  "meta-forgets": {
    severity: "note",
    means:
      "The meta file holds neither term nor vote: PySyncObj up to 0.3.15 forgets both at each start.",
    next: "Replace members of these versions: see docs/upstream-defect.md.",
  },
  "commit-beyond-log": {
    severity: "warning",
    means:
      "The member took entries for committed that its log does not hold: lost with the power, an older " +
      "journal, or (PySyncObj up to 0.3.15) cut on a leader's demand.",
    next:
      "Compare with the other members which entries these were. Quorate takes the log's end and, but for " +
      "files of PySyncObj up to 0.3.15, neither votes nor leads before a leader has completed it.",
  },
  "dump-missing": {
    severity: "damage",
    means: "The journal begins after the first entry, and there is no dump of what came before.",
    next: refetchJournalText,
  },
  "dump-damaged": {
    severity: "damage",
    means: "The dump is unreadable, and the journal does not reach back to the first entry.",
    next: `Check the disk. ${refetch}`,
  },
  "dump-spare-damaged": {
    severity: "warning",
    means: "The dump is unreadable. Nothing is lost: the journal reaches back to the first entry.",
    next: `Check the disk. ${repair}`,
  },
  "dump-gap": {
    severity: "damage",
    means: "Entries between the dump's end and the journal's beginning are missing.",
    next: refetch,
  },
  "journal-older": {
    severity: "damage",
    means:
      "The journal ends before the dump of a member that is its whole cluster: an older journal was put back, " +
      "or a part of it is gone. The dump's data are whole; what was acknowledged behind them is missing.",
    next:
      "Put the right journal back, with the meta file of the same moment. Where there is none: quorate repair " +
      "--alone lets the member go on with the dump's data.",
  },
  "dump-contradiction": {
    severity: "damage",
    means:
      "Dump and journal hold different entries at the same index: a leader's dump had just replaced this " +
      "log when the member was stopped, or one of the files is another member's.",
    next: "Quorate starts from the dump and keeps the journal beside. PySyncObj clears the journal.",
  },
  "dump-unjoined": {
    severity: "warning",
    means:
      "The journal does not begin with the dump's last two entries: the member was stopped between the " +
      "two steps of a compaction. Nothing is lost, but PySyncObj would clear the journal at its start.",
    next: "Start it with Quorate, which joins the two; do not start PySyncObj on it.",
  },
  "dump-value-index": {
    severity: "damage",
    means: "A value in the dump names an index that the dump cannot have reached.",
    next: "Compare the key with the other members' data.",
  },
  "dump-not-member": {
    severity: "note",
    means:
      "The dump's members, and the changes behind it in the journal, do not name this member: it was removed, or the files were renamed.",
    next: "Compare with quorate members.",
  },
  "store-differs": {
    severity: "damage",
    means: "The dump's data are not what the log makes of its entries.",
    next: "Compare with the other members' data; the log counts. quorate inspect --at shows its fold.",
  },
} as const satisfies Readonly<Record<string, FindingText>>;

export type FindingCode = keyof typeof verifyFindings;

export interface VerifyFinding extends FindingText {
  readonly code: FindingCode;
  readonly file: FileKind | null;
  readonly path: string;
  /** What was seen, where. */
  readonly detail: string;
}

export function finding(
  code: FindingCode,
  place: { readonly file: FileKind | null; readonly path: string },
  detail: string,
): VerifyFinding {
  return { code, ...place, detail, ...verifyFindings[code] };
}

/** The gravest of them. */
export function worstOf(findings: readonly VerifyFinding[]): Severity | null {
  const severities = findings.map(({ severity }) => severity);
  for (const severity of ["damage", "warning", "note"] as const) {
    if (severities.includes(severity)) return severity;
  }
  return null;
}
