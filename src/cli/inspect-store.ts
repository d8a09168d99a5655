import type { MemberPaths } from "../files/data-path.js";
import { FilesError } from "../files/files-error.js";
import { lookAgain } from "../files/look-again.js";
import { readMeta } from "../files/read-meta.js";
import {
  differencesOf,
  type KeyDifference,
  pictureOf,
  type StorePicture,
} from "../files/store-diff.js";
import { StoreFold } from "../files/store-fold.js";
import type { Watch } from "../files/watch.js";
import { nodeFileSystem } from "../storage/node-file-system.js";
import { findHolder } from "../storage/process-lock.js";
import { bytesOf, findReadable } from "./chosen-files.js";
import type { CliContext } from "./context.js";
import { CliError, exitCode } from "./exit-codes.js";
import type { InspectFlags } from "./inspect.js";
import { brokenText } from "./inspect-entries.js";
import { formatLong } from "./kv-ls.js";
import { printJson, showValue } from "./kv-session.js";
import { withProgress } from "./progress-line.js";

/** What was asked for, as the files hold it. */
interface Seen {
  readonly before: StorePicture;
  /** Where the difference begins. */
  readonly start: number;
  /** Null: only the store was asked for. */
  readonly differences: readonly KeyDifference[] | null;
  readonly fold: StoreFold;
}

/** Prints the store at an index, or what is different between two. */
export async function printStore(
  context: CliContext,
  path: string,
  flags: InspectFlags,
): Promise<void> {
  const member = await findReadable(path);
  const totalBytes = await bytesOf([member.journal, member.dump]);
  await withProgress(context, { doing: "folding the log", totalBytes }, async (watch) => {
    const isRunning = member.journal !== null && (await findHolder(member.journal)) !== null;
    const look = () => seenOrRefused(() => see(member, flags, watch));
    const seen = await lookAgain(look, (now, last) => !isRunning || isSettled(now, last));
    if (seen instanceof FilesError) throw seen;
    const { differences, fold } = seen;
    const isJson = flags.json === true;
    if (differences === null) showStore(context, seen, isJson);
    else {
      const { start: from } = seen;
      showDiff(context, { from, to: fold.index, ...faultsOf(fold), differences }, isJson);
    }
    tellRaised(context, fold);
    tellMissing(context, fold);
  });
  await context.drained();
}

async function see(member: MemberPaths, flags: InspectFlags, watch: Watch): Promise<Seen> {
  const [from = "", to = ""] = flags.diff ?? [flags.at ?? "", ""];
  const first = await readIndex(member, from);
  const fold = await StoreFold.open(nodeFileSystem, member, first ?? Number.POSITIVE_INFINITY, {
    watch,
  });
  try {
    await advance(fold, first);
    const before = pictureOf(fold.store);
    const start = fold.index;
    if (flags.diff === undefined) return { before, start, differences: null, fold };
    const second = await readIndex(member, to);
    if (second !== null && second < start) {
      throw usage(`--diff goes forward: ${start} comes after ${second}`);
    }
    await advance(fold, second);
    const differences = differencesOf(before, pictureOf(fold.store));
    return { before, start, differences, fold };
  } finally {
    await fold.close();
  }
}

/** The files of a running member may not fit together amid a compaction: that is looked at again. */
async function seenOrRefused(look: () => Promise<Seen>): Promise<Seen | FilesError> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof FilesError && error.code === "not-held") return error;
    throw error;
  }
}

function isSettled(seen: Seen | FilesError, last: Seen | FilesError | null): boolean {
  if (seen instanceof FilesError) {
    return last instanceof FilesError && last.message === seen.message;
  }
  const { broken, index } = seen.fold;
  if (broken === null) return true;
  if (last === null || last instanceof FilesError) return false;
  return last.fold.index === index && last.fold.broken?.offset === broken.offset;
}

async function advance(fold: StoreFold, to: number | null): Promise<void> {
  if (to === null) await fold.advanceToEnd();
  else await fold.advance(to);
}

/** Null: the end of the log. */
async function readIndex(member: MemberPaths, text: string): Promise<number | null> {
  if (text === "end") return null;
  if (text === "commit") {
    const meta = member.meta === null ? null : await readMeta(nodeFileSystem, member.meta);
    if (meta?.kind === "meta" && meta.hasCommitIndex) return meta.meta.commitIndex;
    const where = member.meta ?? `${member.directory}/${member.address}`;
    throw new FilesError("not-held", where, "no commit index is stored: give a number, or end");
  }
  const index = /^\d{1,15}$/.test(text) ? Number(text) : 0;
  if (index > 0) return index;
  throw usage(`${JSON.stringify(text)} is no index: give a number from 1, commit or end`);
}

function showStore(context: CliContext, { before, fold }: Seen, isJson: boolean): void {
  // As `kv ls` lists them.
  const entries = [...before].sort(([left], [right]) => (left < right ? -1 : 1));
  if (!isJson) context.out(formatLong(entries));
  else {
    const { index, baseIndex: dumpIndex } = fold;
    const faults = faultsOf(fold);
    printJson(context, { index, dumpIndex, ...faults, entries: Object.fromEntries(entries) });
  }
}

/** What keeps the store from being all that the member had; of whole files both are null. */
function faultsOf({ broken, dumpFault }: StoreFold) {
  return { broken, dumpDamaged: dumpFault };
}

/** Without a word of it, the store at a break would pass for the one at the end. */
function tellMissing(context: CliContext, { index, broken, dumpFault }: StoreFold): void {
  if (dumpFault !== null) {
    context.err(`quorate: the dump is damaged and was not used: see quorate verify\n`);
  }
  if (broken !== null) {
    const which = index === 0 ? "no entry can be read" : `this ends at entry ${index}`;
    context.err(`quorate: ${which}: ${brokenText(broken.offset)}\n`);
  } else if (index === 0) context.err("quorate: no entry is in these files\n");
}

function showDiff(
  context: CliContext,
  diff: {
    readonly from: number;
    readonly to: number;
    readonly broken: StoreFold["broken"];
    readonly dumpDamaged: StoreFold["dumpFault"];
    readonly differences: readonly KeyDifference[];
  },
  isJson: boolean,
): void {
  if (isJson) printJson(context, diff);
  else context.out(diff.differences.map(formatDifference).join(""));
}

function formatDifference({ key, change, before, after }: KeyDifference): string {
  const name = showValue(key);
  if (change === "added") return `+ ${name} = ${showValue(after?.value)}\n`;
  if (change === "removed") return `- ${name} = ${showValue(before?.value)}\n`;
  const [old, now] = [showValue(before?.value), showValue(after?.value)];
  return `~ ${name} = ${old === now ? `${now} (written again)` : `${old} -> ${now}`}\n`;
}

/** PySyncObj's members never get beyond such an entry: what a member shows may be older. */
function tellRaised(context: CliContext, { raised, raisedCount }: StoreFold): void {
  const [first] = raised;
  if (first === undefined) return;
  const more = raisedCount > 1 ? ` (and ${raisedCount - 1} more such entries)` : "";
  context.err(
    `quorate: PySyncObj's members stop at entry ${first.index}${more}: ${showValue(first.reason)}\n`,
  );
}

function usage(message: string): CliError {
  return new CliError(message, { code: exitCode.usage });
}
