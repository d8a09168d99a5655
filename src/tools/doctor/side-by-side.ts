import type { BehindGap } from "../../files/behind-gap.js";
import type { MemberPaths } from "../../files/data-path.js";
import { readDump } from "../../files/read-dump.js";
import { readMeta } from "../../files/read-meta.js";
import type { Watch } from "../../files/watch.js";
import type { FileSystem } from "../../storage/file-system.js";
import { findHolder } from "../../storage/process-lock.js";
import { compareData, type DataDifference, type KeyAcross } from "./compare-data.js";
import { type Claim, compareLogs, type LogComparison } from "./compare-logs.js";
import { endOf, type Histories, readHistories, toldBy } from "./histories.js";
import { LogCursor } from "./log-cursor.js";
import type { ComparedLog } from "./log-track.js";

/** One member's files. */
export interface FileMember {
  readonly name: string;
  readonly directory: string;
  readonly log: ComparedLog;
  /** Null: no meta file, a damaged one, or one that does not tell. */
  readonly commitIndex: number | null;
  readonly storedTerm: number | null;
  readonly dumpIndex: number | null;
  readonly damaged: readonly string[];
  /** The offset up to which the journal's records hold together; null: to its end. */
  readonly brokenAt: number | null;
  /** Where the journal is broken because PySyncObj has left entries out, and not damaged. */
  readonly leftOut: BehindGap | null;
  /** A process that holds the journal open, where one is seen. */
  readonly inUseBy: number | null;
  /** Entries that were committed and that a leader made it drop. */
  readonly conflictFiles: readonly string[];
  /** Why the data cannot be compared; null: they are. */
  readonly notCompared: string | null;
}

export interface SideBySide {
  readonly members: readonly FileMember[];
  readonly spans: LogComparison["spans"];
  readonly histories: Histories;
  /** All stores were folded up to here; 0: none. */
  readonly comparedAt: number;
  readonly data: readonly DataDifference[];
  /** What each member has, at the end of its files, under the keys of writes at stake. */
  readonly keysAtStake: readonly KeyAcross[];
}

/**
 * Compares the files of several members. Only reads: each journal twice, and each dump twice.
 *
 * @throws FilesError where a file cannot be read; the reason of the watch's signal when that aborts.
 */
export async function compareFiles(
  fs: FileSystem,
  paths: readonly MemberPaths[],
  watch: Watch = {},
): Promise<SideBySide> {
  const seats: Seat[] = [];
  let logs: LogComparison;
  try {
    for (const [name, path] of namesOf(paths)) {
      const state = await stateOf(fs, path, watch);
      const cursor = await LogCursor.open(fs, name, path.journal, watch);
      seats.push({ name, path, state, cursor });
    }
    logs = await compareLogs(
      seats.map(({ cursor }) => cursor),
      seats.map(({ state }) => claimOf(state)),
    );
  } finally {
    for (const { cursor } of seats) await cursor.close();
  }
  const members = seats.map((seat, at) => memberOf(seat, logs.logs[at] ?? emptyLog));
  const histories = readHistories(members, logs.spans);
  const reaches = seats.flatMap(({ path }, at) => {
    const member = members[at];
    if (member === undefined) return [];
    const { name, log, dumpIndex } = member;
    return [{ name, paths: path, first: log.first, dumpIndex, end: endOf(member) }];
  });
  const forks = logs.spans.flatMap(({ first, variants }) => (variants.length > 1 ? first : []));
  const data = await compareData(fs, reaches, {
    ...{ alikeUpTo: Math.min(...forks) - 1, wanted: histories.keys, watch },
  });
  return {
    members: members.map((member) => ({
      ...member,
      notCompared: data.notCompared.get(member.name) ?? null,
    })),
    ...{ spans: logs.spans, histories, comparedAt: data.comparedAt },
    ...{ data: data.differences, keysAtStake: data.atEnds },
  };
}

interface Seat {
  readonly name: string;
  readonly path: MemberPaths;
  readonly state: State;
  readonly cursor: LogCursor;
}

function memberOf(
  { name, path, state, cursor }: Seat,
  log: ComparedLog,
): Omit<FileMember, "notCompared"> {
  const { stop, leftOut } = cursor;
  const isDamaged = stop !== null && leftOut === null;
  const damaged = isDamaged ? [...state.damaged, "journal"] : state.damaged;
  const brokenAt = stop?.offset ?? null;
  return { name, directory: path.directory, log, ...state, damaged, brokenAt, leftOut };
}

/** Addresses; where one comes twice (a copy), with its directory. */
function namesOf(paths: readonly MemberPaths[]): (readonly [name: string, path: MemberPaths])[] {
  return paths.map((path) => {
    const { address, directory } = path;
    const isAlone = paths.filter((each) => each.address === address).length === 1;
    return [isAlone ? address : `${directory}/${address}`, path];
  });
}

type State = Pick<
  FileMember,
  "commitIndex" | "storedTerm" | "dumpIndex" | "damaged" | "inUseBy" | "conflictFiles"
>;

const emptyLog: ComparedLog = {
  ...{ name: "", first: null, last: null, lastTerm: 0, dipCount: 0, dips: [] },
};
function claimOf(state: State): Claim {
  return { committed: toldBy(state), dumped: state.dumpIndex ?? 0 };
}

async function stateOf(fs: FileSystem, paths: MemberPaths, watch: Watch): Promise<State> {
  const inUseBy = paths.journal === null ? null : await findHolder(paths.journal);
  const meta = paths.meta === null ? null : await readMeta(fs, paths.meta);
  const dump = paths.dump === null ? null : await readDump(fs, paths.dump, watch);
  const isMeta = meta !== null && meta.kind === "meta";
  return {
    commitIndex: isMeta && meta.hasCommitIndex ? meta.meta.commitIndex : null,
    storedTerm: isMeta && meta.hasTerm ? meta.meta.term : null,
    dumpIndex: dump !== null && dump.kind === "dump" ? dump.dump.last.index : null,
    damaged: [
      ...(meta !== null && meta.kind === "damaged" ? ["meta"] : []),
      ...(dump !== null && dump.kind === "damaged" ? ["dump"] : []),
    ],
    inUseBy,
    conflictFiles: paths.others.filter((name) => name.includes(".journal.conflict-")),
  };
}
