import { basename, join } from "node:path";
import type { MemberPaths } from "../../files/data-path.js";
import type { FileHandle, FileSystem } from "../../storage/file-system.js";
import { copyChunkBytes } from "../../storage/limits.js";
import { storageFault } from "../../storage/storage-error.js";

/** The member's three files that are there. */
export function filesOf({ journal, meta, dump }: MemberPaths): string[] {
  return [journal, meta, dump].filter((path) => path !== null);
}

/**
 * Copies a member's files into a new folder beside them, durably, before they are changed.
 *
 * @param why Part of the folder's name: what comes next.
 * @returns the folder's path: `<data_dir>/<self_addr>.before-<why>-<time>`.
 */
export async function copyAside(
  fs: FileSystem,
  member: MemberPaths,
  why: string,
  now: Date,
): Promise<string> {
  const folder = await makeFolder(fs, member, why, now);
  for (const path of filesOf(member)) await copyFile(fs, path, join(folder, basename(path)));
  await fs.syncDirectory(folder);
  return folder;
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
  const folder = join(directory, name);
  await fs.makeDirectory(folder);
  return folder;
}

async function copyFile(fs: FileSystem, from: string, to: string): Promise<void> {
  const source = await fs.open(from, "read");
  try {
    const target = await fs.open(to, "create");
    try {
      await copyContent(source, target);
      await target.sync();
    } finally {
      await target.close();
    }
  } catch (error) {
    throw storageFault(error, to, "copying the file aside");
  } finally {
    await source.close();
  }
}

async function copyContent(source: FileHandle, target: FileHandle): Promise<void> {
  for (let at = 0; ; ) {
    const piece = await source.read(at, copyChunkBytes);
    if (piece.length === 0) return;
    await target.write(piece, at);
    at += piece.length;
  }
}
