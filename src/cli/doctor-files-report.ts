import type { HeldValue, KeyAcross } from "../tools/doctor/compare-data.js";
import { timeRange, timeText } from "../tools/doctor/file-times.js";
import type { WriteAtStake } from "../tools/doctor/histories.js";
import type { SideBySide } from "../tools/doctor/side-by-side.js";
import { type Finding, listed } from "../tools/findings.js";
import { formatFindings, verdictOf, verdictWord } from "./doctor-report.js";
import { escapeControls } from "./log.js";
import { formatTable, show } from "./table.js";

/** Rows of a table that people read; JSON has all that is kept. */
const shownRowsMax = 20;
const valueCharsMax = 40;

/** The verdict in a line, the evidence, the way out. */
export function formatSideBySide(all: SideBySide, findings: readonly Finding[]): string {
  return `${verdictOfFiles(all, findings)}\n\n${table(all)}${writes(all)}${keys(all)}${formatFindings(findings)}`;
}

/** What has happened, in one plain line; the codes behind it are for scripts and docs/doctor.md. */
export function verdictOfFiles(all: SideBySide, findings: readonly Finding[]): string {
  const verdict = verdictWord(findings);
  if (verdict !== "ill") return verdictOf(findings);
  const codes = new Set(findings.flatMap((each) => (each.severity === "ill" ? [each.code] : [])));
  const { atStake, atStakeCount } = all.histories;
  const when = timeRange(atStake.map(({ writtenSec }) => writtenSec));
  const counted = `${atStakeCount === 1 ? "1 committed write" : `${atStakeCount} committed writes`}${when === null ? "" : ` (${when})`}`;
  const differing = Math.max(0, ...all.data.map(({ count }) => count));
  const says =
    codes.has("committed-entries-differ") || codes.has("committed-entries-cut")
      ? `committed entries were taken away; ${counted} ${atStakeCount === 1 ? "is" : "are"} not in every log`
      : codes.has("stale-log-wins")
        ? `${counted} will be lost if PySyncObj's members are started on these files`
        : codes.has("data-differ")
          ? `the members' data differ in ${differing === 1 ? "1 key" : `${differing} keys`}`
          : "a member was made to drop committed entries";
  return escapeControls(`ILL: ${says} [${[...codes].join(", ")}]`);
}

function table({ members }: SideBySide): string {
  const rows = members.map(({ name, log, dumpIndex, commitIndex, storedTerm }) => [
    name,
    log.first === null ? "-" : `${log.first} to ${log.last}`,
    show(dumpIndex),
    show(commitIndex),
    log.first === null ? "-" : String(log.lastTerm),
    show(storedTerm),
    String(log.dipCount),
  ]);
  const headings = ["MEMBER", "JOURNAL", "DUMP", "COMMITTED", "LAST TERM", "STORED TERM", "DIPS"];
  return formatTable(headings, rows);
}

function writes({ histories: { atStake, atStakeCount } }: SideBySide): string {
  if (atStake.length === 0) return "";
  const rows = atStake
    .slice(0, shownRowsMax)
    .map((write) => [
      String(write.index),
      String(write.term),
      write.writtenSec === null ? "-" : timeText(write.writtenSec),
      writeText(write),
      listed(write.heldBy),
      listed(write.lackedBy),
    ]);
  const headings = ["ENTRY", "TERM", "WRITTEN", "WRITE", "IN", "NOT IN"];
  return `\nCOMMITTED WRITES THAT ARE NOT IN EVERY LOG\n${formatTable(headings, rows)}${more(atStakeCount, rows.length)}`;
}

function writeText({ operation, key, value }: WriteAtStake): string {
  const what = key === null ? operation : `${operation} ${key}`;
  return value === null ? what : `${what} = ${short(value)}`;
}

/** At the end of each member's files where writes are at stake; else where the data were compared. */
function keys({ keysAtStake, data, comparedAt, members }: SideBySide): string {
  const names = members.map(({ name }) => name);
  const differing = keysAtStake.filter(
    ({ held }) => new Set(held.map(({ value }) => value)).size > 1,
  );
  const atEnds = rowsOf("WHO HAS WHAT AT THE END OF ITS FILES", differing, names);
  const compared = data.map(({ one, other, count, keys: found }) =>
    rowsOf(`WHO HAS WHAT AT ENTRY ${comparedAt}`, found, [one, other], count),
  );
  return [atEnds, ...compared].join("");
}

function rowsOf(
  title: string,
  found: readonly KeyAcross[],
  names: readonly string[],
  count: number = found.length,
): string {
  if (found.length === 0) return "";
  const shown = found.slice(0, shownRowsMax);
  const rows = shown.map(({ key, held }) => [
    key,
    ...names.map((name) => heldText(held.find((each) => each.name === name))),
  ]);
  return `\n${title}\n${formatTable(["KEY", ...names], rows)}${more(count, rows.length)}`;
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
