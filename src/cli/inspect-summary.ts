import { findData } from "../files/data-path.js";
import { type MemberOverview, overviewOf } from "../files/overview.js";
import type { JournalOverview } from "../files/read-journal.js";
import { nodeFileSystem } from "../storage/node-file-system.js";
import { bytesOf, chosenFiles } from "./chosen-files.js";
import type { CliContext } from "./context.js";
import { localTime } from "./escape.js";
import { withProgress } from "./progress-line.js";
import { formatPairs, formatTable, show } from "./table.js";

/** Rows of a table that people read; JSON has all that is listed. */
const shownRowsMax = 20;

export async function printSummary(
  context: CliContext,
  path: string,
  isJson: boolean,
): Promise<void> {
  const found = await findData(nodeFileSystem, path);
  const chosen = chosenFiles(found);
  const totalBytes = await bytesOf(chosen.flatMap(({ journal, dump }) => [journal, dump]));
  const overviews = await withProgress(context, { doing: "reading", totalBytes }, async (watch) => {
    const all: MemberOverview[] = [];
    for (const files of chosen) all.push(await overviewOf(nodeFileSystem, files, watch));
    return all;
  });
  const isAlone = found.kind === "file";
  context.out(
    isJson
      ? `${JSON.stringify({ members: overviews }, null, 2)}\n`
      : overviews.map((overview) => formatOverview(overview, isAlone)).join("\n"),
  );
  await context.drained();
}

/** @param isAlone One file was asked about: nothing is said of those beside it. */
function formatOverview(overview: MemberOverview, isAlone: boolean): string {
  const { journal, meta, dump, inUseBy, others } = overview;
  const head = formatPairs([
    ["member", overview.address],
    ["directory", overview.directory],
    ...(journal === null
      ? []
      : [
          [
            "in use by",
            inUseBy === null ? "nobody that is seen from here" : `process ${inUseBy}`,
          ] as const,
        ]),
    ...(isAlone || others.length === 0 ? [] : [["beside", others.join(", ")] as const]),
    ...(isAlone ? [] : missing({ journal, meta, dump })),
  ]);
  return [
    head,
    journal === null ? "" : formatJournal(journal),
    meta === null ? "" : formatMeta(meta),
    dump === null ? "" : formatDump(dump),
  ]
    .filter((part) => part !== "")
    .join("\n");
}

function missing(
  files: Readonly<Pick<MemberOverview, "journal" | "meta" | "dump">>,
): (readonly [string, string])[] {
  const none = Object.entries(files).flatMap(([kind, file]) => (file === null ? [kind] : []));
  return none.length === 0 ? [] : [["not there", none.join(", ")]];
}

function formatJournal(journal: JournalOverview): string {
  const { log } = journal;
  const { kinds } = log;
  const kindsText =
    `${kinds.regular} calls, ${kinds.noOp} no-ops, ${kinds.membership} changes of the members, ` +
    `${kinds.version} code versions${kinds.other === 0 ? "" : `, ${kinds.other} of unknown types`}`;
  const pairs = formatPairs([
    ["journal", journal.path],
    ["made by", madeText(journal)],
    ...(journal.isJournal ? [["checksums", sealText[journal.seal]] as const] : []),
    ["size", sizeText(journal)],
    [
      "entries",
      log.first === null ? "none" : `${log.first.index} to ${log.last?.index}: ${kindsText}`,
    ],
    ["largest", `${log.largestCommandBytes} bytes of ${log.commandBytes} in all`],
    ["written", `${timeText(log.firstTime)} to ${timeText(log.lastTime)} (writers' clocks)`],
    [
      "terms",
      `${log.termRuns === 1 ? "1 run" : `${log.termRuns} runs`}, the highest ${log.largestTerm}, ${log.dipCount === 1 ? "once" : `${log.dipCount} times`} down`,
    ],
    ...(journal.stop === null ? [] : [["broken", stopText(journal)] as const]),
  ]);
  return [
    pairs,
    formatRows(
      ["TERM", "FIRST", "LAST"],
      log.terms.map((run) => [run.term, run.first, run.last]),
      log.termRuns,
    ),
    formatRows(
      ["TERM GOES DOWN AT", "FROM", "TO"],
      log.dips.map((dip) => [dip.index, dip.from, dip.to]),
      log.dipCount,
    ),
    formatRows(
      ["MEMBERS CHANGE AT", "TERM", "CHANGE", "MEMBER"],
      log.membership.map(({ index, term, change, address }) => [index, term, change, address]),
      log.membershipCount,
    ),
  ]
    .filter((part) => part !== "")
    .join("\n");
}

function madeText({ isJournal, bytes, version, seal }: JournalOverview): string {
  if (isJournal && seal !== "none") return `Quorate, in PySyncObj's format of ${version}`;
  if (isJournal) return `PySyncObj's format, ${version}`;
  return bytes === 0
    ? "not to be told: the file is empty"
    : "something else: it does not begin as a journal does";
}

/** The end offset tells where records end only where it can be one. */
function sizeText({ isJournal, bytes, endOffset, isEndUsable }: JournalOverview): string {
  if (!isJournal || bytes === 0) return `${bytes} bytes`;
  if (endOffset === null) return `${bytes} bytes, cut within its header`;
  return `${bytes} bytes, ${isEndUsable ? `records to ${endOffset}` : "no records, or no usable end offset"}`;
}

const sealText = {
  none: "none: PySyncObj has written all of it",
  intact: "Quorate's, they match",
  changed: "Quorate's, they do not match: see quorate verify",
} as const;

function stopText({ stop, isEndUsable }: JournalOverview): string {
  const end = isEndUsable ? "" : ", and its end offset is of no use";
  return `from byte ${stop?.offset} on (${stop?.reason})${end}: see quorate verify`;
}

function formatMeta(meta: NonNullable<MemberOverview["meta"]>): string {
  if (meta.kind === "damaged") {
    return formatPairs([
      ["meta", meta.path],
      ["damaged", `${meta.reason}: see quorate verify`],
    ]);
  }
  return formatPairs([
    ["meta", meta.path],
    ["written by", meta.writer],
    ["term", meta.hasTerm ? show(meta.term) : "not stored: this version forgets it"],
    ["voted for", show(meta.votedFor)],
    ["commit index", show(meta.commitIndex)],
    ...(meta.owner === null ? [] : [["owner", meta.owner] as const]),
    ...(meta.mustRefetch
      ? [["must refetch", "yes: it does not vote before a leader has helped it"] as const]
      : []),
    ...(meta.forgotTerm
      ? [["forgot its term", "yes: it follows nobody before others have told theirs"] as const]
      : []),
    ...(meta.secondTerm > 0
      ? [
          [
            "led twice",
            `terms up to ${meta.secondTerm}, perhaps: members had forgotten them`,
          ] as const,
        ]
      : []),
    ...(meta.termFloor > meta.term
      ? [
          [
            "taken over",
            `it votes in no term up to ${meta.termFloor}: PySyncObj's files do not say in which it has`,
          ] as const,
        ]
      : []),
  ]);
}

function formatDump(dump: NonNullable<MemberOverview["dump"]>): string {
  if (dump.kind === "damaged") {
    return formatPairs([
      ["dump", dump.path],
      ["damaged", `${dump.reason}: see quorate verify`],
    ]);
  }
  return formatPairs([
    ["dump", dump.path],
    ["size", `${dump.bytes} bytes`],
    ["up to", `entry ${dump.last.index} of term ${dump.last.term}`],
    ["keys", `${dump.keys}, ${dump.expiringKeys} with a time to live`],
    ["members", dump.members.join(", ")],
    ["code version", String(dump.codeVersion)],
  ]);
}

function formatRows(
  headings: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  count: number,
): string {
  if (rows.length === 0) return "";
  // Of a long list both ends matter.
  const half = shownRowsMax / 2;
  const isLong = rows.length > shownRowsMax;
  const shown = isLong ? [...rows.slice(0, half), ["…"], ...rows.slice(-half)] : rows;
  const table = formatTable(
    headings,
    shown.map((row) => row.map(String)),
  );
  return isLong || count > rows.length ? `${table}${count} in all; --json lists more\n` : table;
}

function timeText(seconds: number | null): string {
  if (seconds === null) return "-";
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? String(seconds) : localTime(date);
}
