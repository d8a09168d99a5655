import type { FileSystem } from "../storage/file-system.js";
import { findHolder } from "../storage/process-lock.js";
import type { MemberPaths } from "./data-path.js";
import { readDump } from "./read-dump.js";
import { type JournalOverview, readJournal } from "./read-journal.js";
import { type MetaWriter, readMeta } from "./read-meta.js";
import type { Watch } from "./watch.js";

/** What is told of a member's files without their entries. */
export interface MemberOverview {
  readonly address: string;
  readonly directory: string;
  /** Id of a process that holds the journal open, where one is seen. */
  readonly inUseBy: number | null;
  readonly journal: JournalOverview | null;
  readonly meta: MetaOverview | null;
  readonly dump: DumpOverview | null;
  readonly others: readonly string[];
}

interface DamagedFile {
  readonly kind: "damaged";
  readonly path: string;
  readonly bytes: number;
  readonly reason: string;
}

export type MetaOverview =
  | DamagedFile
  | {
      readonly kind: "meta";
      readonly path: string;
      readonly bytes: number;
      readonly writer: MetaWriter;
      readonly hasTerm: boolean;
      readonly term: number;
      readonly votedFor: string | null;
      readonly commitIndex: number;
      readonly owner: string | null;
      readonly mustRefetch: boolean;
      readonly forgotTerm: boolean;
      readonly secondTerm: number;
      readonly termFloor: number;
    };

interface EntryPlace {
  readonly index: number;
  readonly term: number;
}

export type DumpOverview =
  | DamagedFile
  | {
      readonly kind: "dump";
      readonly path: string;
      readonly bytes: number;
      readonly last: EntryPlace;
      readonly previous: EntryPlace;
      readonly keys: number;
      readonly expiringKeys: number;
      readonly members: readonly string[];
      readonly codeVersion: number;
    };

/** @throws FilesError where a file that is there cannot be read. */
export async function overviewOf(
  fs: FileSystem,
  paths: MemberPaths,
  watch: Watch = {},
): Promise<MemberOverview> {
  const { address, directory, others } = paths;
  return {
    address,
    directory,
    inUseBy: paths.journal === null ? null : await findHolder(paths.journal),
    journal: paths.journal === null ? null : await readJournal(fs, paths.journal, { watch }),
    meta: paths.meta === null ? null : await metaOverview(fs, paths.meta),
    dump: paths.dump === null ? null : await dumpOverview(fs, paths.dump, watch),
    others,
  };
}

async function metaOverview(fs: FileSystem, path: string): Promise<MetaOverview> {
  const read = await readMeta(fs, path);
  if (read.kind === "damaged") return { ...read, path };
  const { bytes, writer, hasTerm, meta } = read;
  const { term, votedFor, commitIndex, owner } = meta;
  const { mustRefetch, forgotTerm, secondTerm, termFloor } = meta;
  const marks = { mustRefetch, forgotTerm, secondTerm, termFloor };
  const stored = { term, votedFor, commitIndex, owner, ...marks };
  return { kind: "meta", path, bytes, writer, hasTerm, ...stored };
}

async function dumpOverview(fs: FileSystem, path: string, watch: Watch): Promise<DumpOverview> {
  const read = await readDump(fs, path, watch);
  if (read.kind === "damaged") return { ...read, path };
  const { data, last, previous, members, codeVersion } = read.dump;
  let expiringKeys = 0;
  for (const dict of data.values())
    if (dict instanceof Map && dict.has("expire")) expiringKeys += 1;
  return {
    kind: "dump",
    path,
    bytes: read.bytes,
    last: { index: last.index, term: last.term },
    previous: { index: previous.index, term: previous.term },
    keys: data.size,
    expiringKeys,
    members: members.toSorted(),
    codeVersion,
  };
}
