import type { Dump } from "../../protocol/files/dump-format.js";
import { termJumpMax } from "../../protocol/files/limits.js";
import type { Entry } from "../../protocol/log/entry.js";
import { hadMeta, isOlderJournal } from "../storage/recovery.js";
import { keyToText } from "../store/json-view.js";
import { numberOf } from "../store/record.js";
import { behindGapText } from "./behind-gap.js";
import type { CheckedJournal } from "./check-journal.js";
import type { CheckedFiles } from "./checked-files.js";
import { viewEntry } from "./command-view.js";
import { type FindingCode, finding, type VerifyFinding } from "./verify-findings.js";

/** The index of the first entry that an election leaves behind. */
const firstElected = 2;

/** Places that a finding spells out; the rest is counted. */
const spelledMax = 5;

/** What is to be said of the journal by itself. */
export function journalFindings({ journal, paths }: CheckedFiles): VerifyFinding[] {
  if (journal === null || paths.journal === null) return [];
  const { verdict, log, head, raised, raisedCount } = journal;
  const path = paths.journal;
  const found: VerifyFinding[] = [];
  const add = (code: FindingCode, detail: string) =>
    found.push(finding(code, { file: "journal", path }, detail));
  if (journal.isBlank) add("journal-blank", `${journal.bytes} bytes`);
  const { behindGap } = journal;
  if (behindGap?.isLeftOut === true) {
    add("entry-left-out", `${behindGapText(behindGap)} at byte ${behindGap.offset}`);
  } else if (verdict !== null && verdict.cause !== null) {
    const kept =
      log.last === null ? "no entry is kept" : `entries up to ${log.last.index} are whole`;
    const isNone = !journal.isJournal && log.first === null;
    add(
      isNone ? "journal-not-a-journal" : `journal-${verdict.cause}`,
      `${verdict.remark}; ${kept}${behindGap === null ? "" : `; ${behindGapText(behindGap)}`}`,
    );
  } else if (verdict !== null && journal.isSealed && verdict.proven !== "all") {
    add("journal-partly-sealed", "all of it holds together");
  }
  if (journal.behindEnd !== null) {
    const { first, last } = journal.behindEnd;
    add("journal-behind-end", `entries ${first} to ${last} behind byte ${verdict?.end}`);
  }
  const [first] = head;
  if (first?.index === 1 && !isFirstEntry(first)) {
    add("first-entry", `it has term ${first.term} and is a ${viewEntry(first).operation}`);
  }
  if (log.dipCount > 0) {
    const dips = log.dips.map(({ index, from, to }) => `at entry ${index} from ${from} to ${to}`);
    add("term-dip", spelled(dips, log.dipCount));
  }
  if (raisedCount > 0) {
    const entries = raised.map(({ index, reason }) => `entry ${index}: ${reason}`);
    add("entry-stops-pysyncobj", spelled(entries, raisedCount));
  }
  return found;
}

export function metaFindings({ meta, paths, journal, dump }: CheckedFiles): VerifyFinding[] {
  if (meta === null || paths.meta === null) return [];
  const found: VerifyFinding[] = [];
  const path = paths.meta;
  const add = (code: FindingCode, detail: string) =>
    found.push(finding(code, { file: "meta", path }, detail));
  if (meta.kind === "damaged") {
    add("meta-damaged", meta.reason);
    return found;
  }
  const { term, owner, mustRefetch, commitIndex } = meta.meta;
  if (meta.isRepaired) add("meta-copy", `${meta.bytes} bytes`);
  if (mustRefetch) add("meta-must-refetch", `term ${term}`);
  if (owner !== null && owner !== paths.address) add("meta-foreign", `it is ${owner}'s`);
  if (!meta.hasTerm) add("meta-forgets", `commit index ${commitIndex}`);
  const dumped = dump?.kind === "dump" ? dump.dump.last : null;
  const logTerm = Math.max(journal?.log.largestTerm ?? 0, dumped?.term ?? 0);
  if (meta.hasTerm && term < logTerm) {
    add("meta-term-behind", `term ${term} is stored, an entry has ${logTerm}`);
  }
  if (!meta.isSealed && journal !== null && term - logTerm > termJumpMax) {
    add("meta-implausible", `term ${term} is stored, the highest entry has ${logTerm}`);
  }
  // What is behind an entry that was left out is in the file.
  const behind = journal?.behindGap?.isLeftOut === true ? journal.behindGap.last : 0;
  const last = Math.max(journal?.log.last?.index ?? 0, dumped?.index ?? 0, behind);
  if (last > 0 && commitIndex > last) {
    add("commit-beyond-log", `commit index ${commitIndex}, the last entry is ${last}`);
  }
  return found;
}

export function dumpFindings({ dump, paths, journal }: CheckedFiles): VerifyFinding[] {
  if (dump === null || paths.dump === null) return [];
  const place = { file: "dump", path: paths.dump } as const;
  if (dump.kind === "damaged") {
    const isSpare = journal?.log.first?.index === 1;
    return [finding(isSpare ? "dump-spare-damaged" : "dump-damaged", place, dump.reason)];
  }
  const found: VerifyFinding[] = [];
  const { last } = dump.dump;
  const members = membersNow(dump.dump, journal);
  const ahead = valuesAhead(dump.dump);
  if (ahead.length > 0) {
    const detail = `the dump ends at ${last.index}; ${spelled(ahead, ahead.length)}`;
    found.push(finding("dump-value-index", place, detail));
  }
  const isAddress = paths.address.includes(":");
  if (isAddress && !members.includes(paths.address)) {
    found.push(finding("dump-not-member", place, `its members: ${members.toSorted().join(", ")}`));
  }
  return found;
}

/** Those of the dump, after what the journal says behind it. */
function membersNow({ members, last }: Dump, journal: CheckedJournal | null): readonly string[] {
  const now = new Set(members);
  for (const { index, change, address } of journal?.log.membership ?? []) {
    if (index <= last.index) continue;
    if (change === "add") now.add(address);
    else now.delete(address);
  }
  return [...now];
}

/** Rules between the files. */
export function jointFindings(files: CheckedFiles): VerifyFinding[] {
  const { journal, paths, meta, dump } = files;
  const base = `${paths.directory}/${paths.address}`;
  const found: VerifyFinding[] = [];
  const hasLog = journal !== null && !journal.isBlank;
  if (!hasLog && (dump !== null || isUsed(files))) {
    const what = journal === null ? "there is none" : "nothing was ever stored in it";
    const path = paths.journal ?? `${base}.journal`;
    found.push(finding("journal-missing", { file: "journal", path }, what));
  }
  if (meta === null && hasLog) {
    const place = { file: "meta", path: `${base}.journal.meta` } as const;
    const why = lostMeta(files);
    const code = why !== null ? "meta-lost" : storesVote(journal) ? "vote-unknown" : "meta-missing";
    found.push(finding(code, place, why ?? "there is none"));
  }
  const first = journal?.log.first ?? null;
  if (first !== null && first.index > 1 && dump === null) {
    const place = { file: "dump", path: `${base}.dump` } as const;
    found.push(finding("dump-missing", place, `the journal begins at entry ${first.index}`));
  }
  return [...found, ...joinFindings(files)];
}

/** How it is known that there was a meta file, and that it held more than a commit index. */
function lostMeta({ journal, paths, dump }: CheckedFiles): string | null {
  if (paths.others.some((name) => name.includes(".journal.meta.damaged-"))) {
    return "set aside by a start that came to no end";
  }
  if (journal === null) return null;
  const dumped = dump?.kind === "dump" ? dump.dump.last.index : 0;
  const last = Math.max(journal.log.last?.index ?? 0, dumped);
  if (!hadMeta(journal, last)) return null;
  const maker = journal.isSealed ? "a Quorate member" : `PySyncObj ${journal.version}`;
  return `there is none, and ${maker} has made the journal`;
}

/** Whether the program that made the journal keeps its vote in the meta file from its first election on. */
function storesVote({ isSealed, version }: CheckedJournal): boolean {
  return hadMeta({ isSealed, version }, firstElected);
}

/** Whether dump and journal make one log. */
function joinFindings({ journal, paths, dump }: CheckedFiles): VerifyFinding[] {
  if (dump?.kind !== "dump" || journal === null || paths.dump === null) return [];
  const { first, last } = journal.log;
  if (first === null || last === null) return [];
  const { last: dumped, previous } = dump.dump;
  const place = { file: "dump", path: paths.dump } as const;
  const ends = `the dump ends at entry ${dumped.index} of term ${dumped.term}`;
  if (first.index > dumped.index + 1) {
    return [finding("dump-gap", place, `${ends}, the journal begins at entry ${first.index}`)];
  }
  if (isOlderJournal(paths.address, last, dump.dump)) {
    const path = paths.journal ?? `${paths.directory}/${paths.address}.journal`;
    const detail = `it ends at entry ${last.index}, and ${ends}, in which this member is alone`;
    return [finding("journal-older", { file: "journal", path }, detail)];
  }
  const { atDump, head, storeDifferences } = journal;
  if (atDump !== null && !isSame(atDump, dumped)) {
    const other = atDump.term === dumped.term ? "another command" : `term ${atDump.term}`;
    return [finding("dump-contradiction", place, `${ends}, in the journal it has ${other}`)];
  }
  const found: VerifyFinding[] = [];
  if (!isSame(head[0], previous) || !isSame(head[1], dumped)) {
    const range = `the journal holds entries ${first.index} to ${last.index}`;
    found.push(finding("dump-unjoined", place, `${ends}, ${range}`));
  }
  const differences = storeDifferences ?? lastEntryDifference(dump.dump);
  if (differences.length > 0) {
    found.push(finding("store-differs", place, spelled(differences, differences.length)));
  }
  return found;
}

/** The last entry's own effect is all of the fold that can be told without the entries before. */
function lastEntryDifference({ data, last }: Dump): readonly string[] {
  const { operation, key, conditions } = viewEntry(last);
  if (operation !== "set" || key === null || conditions !== undefined) return [];
  const value = data.get(key);
  const index = value instanceof Map ? numberOf(value.get("index") ?? null) : null;
  return index === last.index ? [] : [`${key} is not as entry ${last.index} has set it`];
}

function valuesAhead({ data, last }: Dump): string[] {
  const found: string[] = [];
  for (const [key, value] of data) {
    const index = value instanceof Map ? numberOf(value.get("index") ?? null) : null;
    if (index !== null && index > last.index) found.push(`${keyToText(key)} has index ${index}`);
  }
  return found;
}

/** Somebody has voted, or taken entries, with this meta file. */
function isUsed({ meta }: CheckedFiles): boolean {
  if (meta === null) return false;
  if (meta.kind === "damaged") return true;
  return meta.meta.term > 0 || meta.meta.votedFor !== null || meta.meta.commitIndex > 1;
}

function isFirstEntry({ term, command }: Entry): boolean {
  return term === 0 && command.length === 1 && command[0] === 1;
}

/** Upstream compares the commands as well. */
function isSame(a: Entry | undefined, b: Entry): boolean {
  if (a === undefined || a.index !== b.index || a.term !== b.term) return false;
  return a.command.length === b.command.length && a.command.every((v, at) => v === b.command[at]);
}

function spelled(places: readonly string[], count: number): string {
  const shown = places.slice(0, spelledMax).join("; ");
  return count > spelledMax ? `${shown}; and ${count - spelledMax} more` : shown;
}
