import { basename, join, resolve } from "node:path";
import { changeFault, unchangedText } from "../../files/change-fault.js";
import type { MemberPaths } from "../../files/data-path.js";
import type { Watch } from "../../files/watch.js";
import type { FileHandle, FileSystem, LinkingFileSystem } from "../../storage/file-system.js";
import { copyChunkBytes } from "../../storage/limits.js";

/** Where a command that changes a member's files works. */
export interface Workplace {
  readonly fs: LinkingFileSystem;
  /** For the names of what is kept. */
  readonly now: Date;
  /** May end the work as long as nothing is changed. */
  readonly watch: Watch;
}

/** The member's three files that are there. */
export function filesOf({ journal, meta, dump }: MemberPaths): string[] {
  return [journal, meta, dump].filter((path) => path !== null);
}

/**
 * Copies a member's files into a new folder beside them, durably, before they are changed. Where that
 * fails, or is stopped, the folder is gone again.
 *
 * @param why Part of the folder's name: what comes next.
 * @returns the folder's path: `<data_dir>/<self_addr>.before-<why>-<time>`.
 * @throws the reason of the watch's signal.
 */
export async function copyAside(
  { fs, now, watch }: Workplace,
  member: MemberPaths,
  why: string,
): Promise<string> {
  const folder = await makeFolder(fs, member, why, now);
  try {
    for (const path of filesOf(member)) {
      await copyFile(fs, { from: path, to: join(folder, basename(path)), watch });
    }
    await fs.syncDirectory(folder);
    return folder;
  } catch (error) {
    await removeFolder(fs, folder);
    if (watch.signal?.aborted === true) throw error;
    throw changeFault(error, `copying the files into ${folder}`, unchangedText);
  }
}

/** Removes a folder of copies, as far as the disk still does it. */
export async function removeFolder(fs: LinkingFileSystem, folder: string): Promise<void> {
  try {
    for (const name of await fs.list(folder)) await fs.unlink(join(folder, name));
    await fs.removeDirectory(folder);
  } catch {
    // A copy too many does no harm, and the fault that led here is the one to be told.
  }
}

/** Renames a member's files into a folder that copyAside has made: nothing is left in their place. */
export async function moveInto(fs: FileSystem, member: MemberPaths, folder: string): Promise<void> {
  // A meta that was set aside once would make the member take itself for one that has lost its own.
  const aside = member.others.filter((name) => name.includes(".journal.meta.damaged-"));
  const paths = [...filesOf(member), ...aside.map((name) => join(member.directory, name))];
  for (const path of paths) await fs.rename(path, join(folder, basename(path)));
  await fs.syncDirectory(folder);
  await fs.syncDirectory(member.directory);
}

/** Writes a small file, durably when the folder has been synced as well. */
export async function writeText(fs: FileSystem, path: string, text: string): Promise<void> {
  const file = await fs.open(path, "create");
  try {
    await file.write(Buffer.from(text), 0);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function makeFolder(
  fs: FileSystem,
  { directory, address }: MemberPaths,
  why: string,
  now: Date,
): Promise<string> {
  const names = new Set(await fs.list(directory));
  const time = now.toISOString().replace(/[-:]/g, "");
  const first = `${address}.before-${why}-${time}`;
  let name = first;
  for (let copy = 2; names.has(name); copy++) name = `${first}-${copy}`;
  // What names it may be read later, and elsewhere.
  const folder = resolve(directory, name);
  try {
    await fs.makeDirectory(folder);
  } catch (error) {
    throw changeFault(error, `making the folder ${folder}`, unchangedText);
  }
  return folder;
}

async function copyFile(
  fs: FileSystem,
  { from, to, watch }: { readonly from: string; readonly to: string; readonly watch: Watch },
): Promise<void> {
  const source = await fs.open(from, "read");
  try {
    const target = await fs.open(to, "create");
    try {
      await copyContent(source, target, watch);
      await target.sync();
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

async function copyContent(
  source: FileHandle,
  target: FileHandle,
  { signal, onRead }: Watch,
): Promise<void> {
  for (let at = 0; ; ) {
    signal?.throwIfAborted();
    const piece = await source.read(at, copyChunkBytes);
    if (piece.length === 0) return;
    await target.write(piece, at);
    onRead?.(piece.length);
    at += piece.length;
  }
}
