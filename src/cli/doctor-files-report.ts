import { bestSurvivor } from "../tools/doctor/best-survivor.js";
import { type HeldValue, type KeyAcross, writtenSecOf } from "../tools/doctor/compare-data.js";
import { timeRange, timeText } from "../tools/doctor/file-times.js";
import type { WriteAtStake } from "../tools/doctor/histories.js";
import type { FileMember, SideBySide } from "../tools/doctor/side-by-side.js";
import { type Finding, listed } from "../tools/findings.js";
import { formatFindings, verdictWord } from "./doctor-report.js";
import { escapeControls } from "./escape.js";
import { formatTable, show } from "./table.js";

/** Rows of a table that people read; JSON has all that is kept. */
const shownRowsMax = 20;
const valueCharsMax = 40;

/** The verdict in a line, the evidence, the way out. */
export function formatSideBySide(all: SideBySide, findings: readonly Finding[]): string {
  return `${verdictOfFiles(all, findings)}\n\n${table(all)}${survivor(all)}${writes(all)}${keys(all)}${formatFindings(findings)}`;
}

/** What has happened, in one plain line; the codes behind it are for scripts and docs/doctor.md. */
export function verdictOfFiles(all: SideBySide, findings: readonly Finding[]): string {
  const verdict = verdictWord(findings);
  if (verdict === "well") return "WELL: no committed entry is missing or contradicted";
  const codes = codesOf(findings, verdict);
  if (verdict === "ill") {
    return escapeControls(`ILL: ${illnessOf(all, codes)} [${codes.join(", ")}]`);
  }
  return `AT RISK: ${riskOf(codes)} [${codes.join(", ")}]`;
}

function riskOf(codes: readonly string[]): string {
  if (codes.includes("term-goes-down")) {
    return "the cluster had forgotten its term; what that has cost is not to be seen here";
  }
  if (codes.includes("stale-log-wins")) {
    return "writes that a majority holds can be lost if PySyncObj's members are started on these files";
  }
  return codes.includes("damaged")
    ? "not everything could be read; in what could be, nothing is lost"
    : "the members' data could not be compared; in their logs nothing is lost";
}

function illnessOf({ histories, data, members }: SideBySide, codes: readonly string[]): string {
  const { atStake, atStakeCount } = histories;
  const writes = counted(atStakeCount, "committed write");
  const made = whenSaid(atStake.map(({ writtenSec }) => writtenSec));
  if (codes.includes("committed-entries-differ") || codes.includes("committed-entries-cut")) {
    const verb = atStakeCount === 1 ? "is" : "are";
    return `committed entries were taken away; ${writes}${made} ${verb} not in every log`;
  }
  if (codes.includes("entry-left-out")) {
    const count = members.filter(({ leftOut }) => leftOut !== null).length;
    return `entries are missing amid ${counted(count, "journal")}, and what stands behind them is whole`;
  }
  if (codes.includes("differs-amid-log")) {
    return "a member's copy has another entry amid its log than a majority, which is alike; all agree before and behind it";
  }
  if (codes.includes("entry-garbled")) {
    return "bytes of committed entries were changed in a member's files; the others hold them";
  }
  if (codes.includes("stale-log-wins")) {
    return `${writes}${made} will be lost if PySyncObj's members are started on these files`;
  }
  if (codes.includes("data-differ")) return differing(data);
  if (codes.includes("dropped-committed")) return "a member was made to drop committed entries";
  return "of a member's files nothing can be read";
}

function differing(data: SideBySide["data"]): string {
  const keys = counted(Math.max(0, ...data.map(({ count }) => count)), "key");
  const written = whenSaid(data.flatMap((each) => each.keys.map(writtenSecOf)));
  return `the members' data differ in ${keys}${written}`;
}

function counted(count: number, what: string): string {
  return count === 1 ? `1 ${what}` : `${count} ${what}s`;
}

function whenSaid(seconds: readonly (number | null)[]): string {
  const range = timeRange(seconds);
  return range === null ? "" : ` (${range})`;
}

function codesOf(findings: readonly Finding[], severity: Finding["severity"]): string[] {
  const codes = findings.flatMap((each) => (each.severity === severity ? [each.code] : []));
  return [...new Set(codes)];
}

function table({ members }: SideBySide): string {
  const rows = members.map(({ name, log, dumpIndex, commitIndex, storedTerm, leftOut }) => [
    name,
    log.first === null ? "-" : `${log.first} to ${log.last}${behindText(leftOut)}`,
    show(dumpIndex),
    show(commitIndex),
    log.first === null ? "-" : String(log.lastTerm),
    show(storedTerm),
    String(log.dipCount),
  ]);
  const headings = ["MEMBER", "JOURNAL", "DUMP", "COMMITTED", "LAST TERM", "STORED TERM", "DIPS"];
  return formatTable(headings, rows);
}

/** "The next leader settles it" is no answer where there will be none. */
function survivor(all: SideBySide): string {
  const best = bestSurvivor(all);
  if (best === null) return "";
  const { names, index, term } = best;
  const end = names.length === 1 ? "its log ends" : "their logs end";
  return (
    `\nOnly where a majority of the cluster is lost for good: recover ${names.join(" or ")} (quorate recover --help);\n` +
    `${end} with entry ${index} of term ${term}. The highest last term decides, and only then the longest log.\n`
  );
}

function behindText(leftOut: FileMember["leftOut"]): string {
  return leftOut === null ? "" : `, ${leftOut.first} to ${leftOut.last}`;
}

function writes({ histories: { atStake, atStakeCount } }: SideBySide): string {
  if (atStake.length === 0) return "";
  const shown = atStake.slice(0, shownRowsMax);
  const textOf = (write: WriteAtStake) => `${write.index} ${write.term} ${writeText(write)}`;
  const texts = atStake.map(textOf);
  const rows = shown.map((write) => [
    String(write.index),
    String(write.term),
    whenText(write.writtenSec),
    writeText(write, texts.filter((text) => text === textOf(write)).length > 1),
    listed(write.heldBy),
    listed(write.lackedBy),
  ]);
  const headings = ["ENTRY", "TERM", "WRITTEN", "WRITE", "IN", "NOT IN"];
  return `\nCOMMITTED WRITES THAT ARE NOT IN EVERY LOG\n${formatTable(headings, rows)}${more(atStakeCount, rows.length)}`;
}

/** @param isTwice Another one reads the same. */
function writeText({ operation, key, value, bytes }: WriteAtStake, isTwice = false): string {
  const what = key === null ? operation : `${operation} ${key}`;
  const text = value === null ? what : `${what} = ${short(value)}`;
  return isTwice && bytes !== null ? `${text} (${bytes})` : text;
}

/** At the end of each member's files where writes are at stake, and where the data were compared. */
function keys(all: SideBySide): string {
  const { keysAtStake, comparedAt, members, data } = all;
  const names = members.map(({ name }) => name);
  const atEnds = keysAtStake.filter(({ held }) => new Set(held.map(({ value }) => value)).size > 1);
  const count = Math.max(0, ...data.map((each) => each.count));
  return (
    rowsOf("WHO HAS WHAT AT THE END OF ITS FILES", atEnds, names, atEnds.length) +
    rowsOf(`WHO HAS WHAT AT ENTRY ${comparedAt}`, acrossAll(all), names, count)
  );
}

/** Each member was compared with the first alone: where nothing is told of it, it has the same. */
function acrossAll({ data, members }: SideBySide): KeyAcross[] {
  const found = new Map<string, KeyAcross>();
  for (const { keys: differing } of data) {
    for (const { key, held } of differing) {
      const before = found.get(key)?.held ?? held.slice(0, 1);
      found.set(key, { key, held: [...before, ...held.slice(1)] });
    }
  }
  const isListed = (name: string) =>
    data.every(({ other, count, keys: kept }) => other !== name || count === kept.length);
  return [...found.values()].map(({ key, held }) => {
    const [first] = held;
    const rest = members.filter(
      ({ name, notCompared }) =>
        notCompared === null && isListed(name) && held.every((each) => each.name !== name),
    );
    const same = first === undefined ? [] : rest.map(({ name }) => ({ ...first, name }));
    return { key, held: [...held, ...same] };
  });
}

function rowsOf(
  title: string,
  found: readonly KeyAcross[],
  names: readonly string[],
  count: number,
): string {
  if (found.length === 0) return "";
  const rows = found
    .slice(0, shownRowsMax)
    .map((across) => [
      across.key,
      whenText(writtenSecOf(across)),
      ...names.map((name) => heldText(across.held.find((each) => each.name === name))),
    ]);
  const table = formatTable(["KEY", "WRITTEN", ...names], rows);
  return `\n${title}\n${table}${more(count, rows.length)}`;
}

function whenText(seconds: number | null): string {
  return seconds === null ? "-" : timeText(seconds);
}

function heldText(held: HeldValue | undefined): string {
  if (held === undefined) return "?";
  return held.value === null ? "-" : short(held.value);
}

function short(text: string): string {
  return text.length > valueCharsMax ? `${text.slice(0, valueCharsMax - 1)}…` : text;
}

function more(count: number, shown: number): string {
  return count > shown ? `${count} in all; --json lists more\n` : "";
}
