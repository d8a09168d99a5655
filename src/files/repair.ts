import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import {
  encodeJournalHeader,
  journalHeaderBytes,
  recordsBytes,
  writeRecords,
} from "../../protocol/files/journal-format.js";
import { encodeMeta, encodeMetaPickle, type Meta } from "../../protocol/files/meta-format.js";
import type { FileHandle, FileSystem, LinkingFileSystem } from "../storage/file-system.js";
import { type MemberFiles, memberFiles } from "../storage/files.js";
import { copyChunkBytes } from "../storage/limits.js";
import { systemCode } from "../storage/storage-error.js";
import { changeFault, unchangedText } from "./change-fault.js";
import type { CheckedFiles } from "./checked-files.js";
import type { MemberPaths } from "./data-path.js";
import { JournalStream } from "./journal-stream.js";
import type { RepairTarget } from "./repair-plan.js";
import type { Watch } from "./watch.js";

export interface RepairContext {
  readonly fs: LinkingFileSystem;
  readonly now: () => Date;
  readonly watch: Watch;
}

/** The version that Quorate writes into new journals. */
const journalVersion = "0.3.17";

/**
 * Brings a member's files to the target. The caller holds the lock. Every file that will be another one
 * stands beside as it was, synced, before anything is changed; new content is written beside, synced and
 * renamed. Whenever it is stopped, each file is as it was or as it will be, and a journal that lacks
 * something never stands without the flag that says so.
 *
 * @returns the names under which the files are kept as they were.
 */
export async function repairFiles(
  context: RepairContext,
  files: CheckedFiles,
  target: RepairTarget,
): Promise<readonly string[]> {
  const { fs } = context;
  const { paths } = files;
  const names = memberFiles(paths.directory, paths.address);
  const changed = [
    target.journal === null ? null : paths.journal,
    target.meta === null ? null : paths.meta,
    target.setsDumpAside ? paths.dump : null,
  ].filter((path) => path !== null);
  const kept: string[] = [];
  try {
    for (const path of changed) kept.push(await keepAside(context, path));
    await fs.syncDirectory(names.directory);
    // First what takes long, so that Ctrl-C amid it finds nothing changed.
    if (target.journal !== null)
      await writeJournal(context, paths, { names, journal: target.journal });
    context.watch.signal?.throwIfAborted();
  } catch (error) {
    for (const path of [names.temporaryJournal, ...kept]) await fs.unlink(path).catch(() => {});
    if (context.watch.signal?.aborted === true) throw error;
    throw changeFault(error, "writing the mended files beside the old ones", unchangedText);
  }
  try {
    await putAllInPlace(fs, { names, files, target });
  } catch (error) {
    const outcome = `Run the same command again. The files as they were: ${kept.join(", ")}`;
    throw changeFault(error, "putting the mended files in place", outcome);
  }
  return kept;
}

/** A journal that lacks something never stands without the flag that says so. */
async function putAllInPlace(
  fs: FileSystem,
  given: {
    readonly names: MemberFiles;
    readonly files: CheckedFiles;
    readonly target: RepairTarget;
  },
): Promise<void> {
  const { names, files, target } = given;
  if (target.meta !== null) await replaceMeta(fs, names, flagged(files, target.meta));
  if (target.journal !== null) await putInPlace(fs, names.temporaryJournal, names.journal);
  if (target.meta !== null) await replaceMeta(fs, names, encodeMeta(target.meta, crc32));
  if (target.setsDumpAside && files.paths.dump !== null) {
    await fs.unlink(files.paths.dump);
    await fs.syncDirectory(names.directory);
  }
}

/**
 * The meta that stands beside the old journal for a moment: it says already what may be missing. Our seal
 * on it would make a start take PySyncObj's last changes of the old journal for damage.
 */
function flagged({ meta }: CheckedFiles, target: Meta): Uint8Array {
  const isOurs = meta?.kind === "meta" && meta.isSealed;
  return isOurs ? encodeMeta(target, crc32) : encodeMetaPickle(target);
}

/** `<path>.before-repair-20260131T235959.123Z`: a second name where the disk has such, else a copy. */
async function keepAside({ fs, now }: RepairContext, path: string): Promise<string> {
  const first = `${path}.before-repair-${now().toISOString().replace(/[-:]/g, "")}`;
  await syncFile(fs, path);
  for (let copy = 1; ; copy++) {
    const target = copy === 1 ? first : `${first}-${copy}`;
    try {
      await fs.link(path, target);
      return target;
    } catch (error) {
      const code = systemCode(error);
      if (code === "EEXIST") continue;
      if (code !== "EPERM" && code !== "ENOTSUP" && code !== "EOPNOTSUPP") throw error;
      const names = new Set(await fs.list(dirname(path)));
      if (names.has(target.slice(dirname(path).length + 1))) continue;
      try {
        await copyFile(fs, path, target);
      } catch (fault) {
        await fs.unlink(target).catch(() => {});
        throw fault;
      }
      return target;
    }
  }
}

async function copyFile(fs: FileSystem, from: string, to: string): Promise<void> {
  const source = await fs.open(from, "read");
  try {
    const copy = await fs.open(to, "create");
    try {
      for (let at = 0; ; ) {
        const piece = await source.read(at, copyChunkBytes);
        if (piece.length === 0) break;
        await copy.write(piece, at);
        at += piece.length;
      }
      await copy.sync();
    } finally {
      await copy.close();
    }
  } finally {
    await source.close();
  }
}

/** Another program may have left the file unsynced. */
async function syncFile(fs: FileSystem, path: string): Promise<void> {
  const file = await fs.open(path, "update");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** New content for the meta file, durable when it returns; whenever it is stopped, all old or all new. */
export async function replaceMeta(
  fs: FileSystem,
  names: MemberFiles,
  bytes: Uint8Array,
): Promise<void> {
  const temporary = `${names.meta}.tmp`;
  const file = await fs.open(temporary, "create");
  try {
    await file.write(bytes, 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await putInPlace(fs, temporary, names.meta);
}

async function putInPlace(fs: FileSystem, from: string, to: string): Promise<void> {
  await fs.rename(from, to);
  await fs.syncDirectory(dirname(to));
}

/** The new journal under its temporary name, complete and synced. */
async function writeJournal(
  { fs, watch }: RepairContext,
  paths: MemberPaths,
  given: { readonly names: MemberFiles; readonly journal: NonNullable<RepairTarget["journal"]> },
): Promise<void> {
  const { names, journal } = given;
  if (paths.journal === null) throw new Error("a journal is mended that is not there");
  const stream = await JournalStream.open(fs, paths.journal, watch);
  try {
    const file = await fs.open(names.temporaryJournal, "create");
    try {
      await copyRecords(stream, file, journal);
      await file.sync();
    } finally {
      await file.close();
    }
  } finally {
    await stream.close();
  }
}

async function copyRecords(
  stream: JournalStream,
  file: FileHandle,
  { head, after, end }: NonNullable<RepairTarget["journal"]>,
): Promise<void> {
  const start = new Uint8Array(recordsBytes(head));
  writeRecords(head, start, 0);
  await file.write(start, journalHeaderBytes);
  let at = journalHeaderBytes + start.length;
  let crc = crc32(start);
  const range = { from: journalHeaderBytes, to: end, termJumpMax: Number.POSITIVE_INFINITY };
  for await (const { entries, ends, bytes } of stream.walk(range)) {
    const skipped = entries.findLastIndex(({ index }) => index <= after);
    const begin = (ends.at(-1) ?? 0) - bytes.length;
    const from = skipped < 0 ? 0 : (ends[skipped] ?? begin) - begin;
    const records = bytes.subarray(from);
    await file.write(records, at);
    crc = crc32(records, crc);
    at += records.length;
  }
  const seal = { previousEnd: at, previousCrc: crc, endCrc: crc };
  await file.write(encodeJournalHeader({ version: journalVersion, endOffset: at, seal }, crc32), 0);
}
