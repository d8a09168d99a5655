import type { MemberPaths } from "../../files/data-path.js";
import { FilesError } from "../../files/files-error.js";
import { readDump } from "../../files/read-dump.js";
import { readMeta } from "../../files/read-meta.js";
import { differencesOf, pictureOf, type StorePicture } from "../../files/store-diff.js";
import { StoreFold } from "../../files/store-fold.js";
import type { FileSystem } from "../../storage/file-system.js";
import { type ComparedLog, compareLogs, type LogComparison, shownMax } from "./compare-logs.js";
import { LogCursor } from "./log-cursor.js";

/** One member's files, as far as its log does not tell. */
export interface FileMember {
  readonly name: string;
  readonly log: ComparedLog;
  /** Null: no meta file, a damaged one, or one that does not tell. */
  readonly commitIndex: number | null;
  readonly storedTerm: number | null;
  readonly dumpIndex: number | null;
  readonly damaged: readonly string[];
  /** Entries that were committed and that a leader made it drop. */
  readonly conflictFiles: readonly string[];
  /** Why the data cannot be compared; null: they are. */
  readonly notCompared: string | null;
}

export interface DataDifference {
  readonly one: string;
  readonly other: string;
  readonly count: number;
  readonly keys: readonly string[];
}

export interface SideBySide {
  readonly members: readonly FileMember[];
  readonly logs: LogComparison;
  /** All stores were folded up to here; 0: none. */
  readonly comparedAt: number;
  readonly data: readonly DataDifference[];
}

/**
 * Compares the files of several members. Only reads.
 *
 * @throws FilesError where a file cannot be read.
 */
export async function compareFiles(
  fs: FileSystem,
  paths: readonly MemberPaths[],
): Promise<SideBySide> {
  const names = namesOf(paths);
  const cursors: LogCursor[] = [];
  try {
    for (const [at, path] of paths.entries()) {
      cursors.push(await LogCursor.open(fs, names[at] ?? path.address, path.journal));
    }
    const logs = await compareLogs(cursors);
    const stops = cursors.map(({ stop }) => stop !== null);
    const states = await Promise.all(paths.map((path) => stateOf(fs, path)));
    const ends = logs.logs.map(({ last }, at) => last ?? states[at]?.dumpIndex ?? 0);
    const { comparedAt, pictures } = await foldWhereMostCan(fs, paths, ends);
    const members = logs.logs.map((log, at): FileMember => {
      const state = states[at] ?? emptyState;
      const picture = pictures[at];
      const damaged = stops[at] === true ? [...state.damaged, "journal"] : state.damaged;
      const notCompared = typeof picture === "string" ? picture : null;
      return { name: log.name, log, ...state, damaged, notCompared };
    });
    return { members, logs, comparedAt, data: compareData(names, pictures) };
  } finally {
    for (const cursor of cursors) await cursor.close();
  }
}

/** Addresses; where one comes twice (a copy), with its directory. */
function namesOf(paths: readonly MemberPaths[]): string[] {
  return paths.map(({ address, directory }) =>
    paths.filter((each) => each.address === address).length > 1
      ? `${directory}/${address}`
      : address,
  );
}

type State = Pick<
  FileMember,
  "commitIndex" | "storedTerm" | "dumpIndex" | "damaged" | "conflictFiles"
>;

const emptyState: State = {
  commitIndex: null,
  storedTerm: null,
  dumpIndex: null,
  damaged: [],
  conflictFiles: [],
};

async function stateOf(fs: FileSystem, paths: MemberPaths): Promise<State> {
  const meta = paths.meta === null ? null : await readMeta(fs, paths.meta);
  const dump = paths.dump === null ? null : await readDump(fs, paths.dump);
  const isMeta = meta !== null && meta.kind === "meta";
  return {
    commitIndex: isMeta && meta.hasCommitIndex ? meta.meta.commitIndex : null,
    storedTerm: isMeta && meta.hasTerm ? meta.meta.term : null,
    dumpIndex: dump !== null && dump.kind === "dump" ? dump.dump.last.index : null,
    damaged: [
      ...(meta !== null && meta.kind === "damaged" ? ["meta"] : []),
      ...(dump !== null && dump.kind === "damaged" ? ["dump"] : []),
    ],
    conflictFiles: paths.others.filter((name) => name.includes(".journal.conflict-")),
  };
}

interface Folded {
  readonly comparedAt: number;
  readonly pictures: readonly (StorePicture | string)[];
}

/**
 * All at the lowest index at which one of them ends, where all reach back to it; otherwise where as many
 * as can be. One that has nothing at all must not keep the others from being compared.
 */
async function foldWhereMostCan(
  fs: FileSystem,
  paths: readonly MemberPaths[],
  ends: readonly number[],
): Promise<Folded> {
  const places = [...new Set(ends.filter((end) => end > 0))].sort((a, b) => a - b);
  let best: Folded = {
    comparedAt: 0,
    pictures: paths.map(() => "no index is held by all of them"),
  };
  for (const comparedAt of places) {
    const pictures: (StorePicture | string)[] = [];
    for (const path of paths) pictures.push(await fold(fs, path, comparedAt));
    if (countRead(pictures) > countRead(best.pictures)) best = { comparedAt, pictures };
    if (countRead(best.pictures) === ends.filter((end) => end > 0).length) break;
  }
  return best;
}

function countRead(pictures: Folded["pictures"]): number {
  return pictures.filter((picture) => typeof picture !== "string").length;
}

/** The store at an index, or why it cannot be had. */
async function fold(
  fs: FileSystem,
  paths: MemberPaths,
  index: number,
): Promise<StorePicture | string> {
  try {
    const store = await StoreFold.open(fs, paths, index);
    try {
      await store.advance(index);
      return pictureOf(store.store);
    } finally {
      await store.close();
    }
  } catch (error) {
    if (!(error instanceof FilesError) || error.code !== "not-held") throw error;
    return error.message;
  }
}

/** Each against the first one that could be read. */
function compareData(
  names: readonly string[],
  pictures: readonly (StorePicture | string)[],
): DataDifference[] {
  const read = pictures.flatMap((picture, at) =>
    typeof picture === "string" ? [] : [{ name: names[at] ?? "", picture }],
  );
  const [first, ...others] = read;
  if (first === undefined) return [];
  return others.flatMap(({ name, picture }) => {
    const found = differencesOf(first.picture, picture);
    if (found.length === 0) return [];
    const keys = found.slice(0, shownMax).map(({ key }) => key);
    return [{ one: first.name, other: name, count: found.length, keys }];
  });
}
