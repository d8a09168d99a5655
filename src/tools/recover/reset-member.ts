import type { MemberPaths } from "../../files/data-path.js";
import { underLock } from "../../files/under-lock.js";
import type { LinkingFileSystem } from "../../storage/file-system.js";
import { memberFiles } from "../../storage/files.js";
import { emptyMeta, loadMeta, MetaFile } from "../../storage/meta-file.js";
import { nodeFileSystem } from "../../storage/node-file-system.js";
import { floorOf } from "../../storage/recovery.js";
import { copyAside, moveInto } from "./aside-folder.js";

export interface ResetMember {
  readonly address: string;
  readonly setAsideTo: string;
  /** What of its promises the emptied member still knows; null where it knows none. */
  readonly kept: { readonly term: number; readonly votedFor: string | null } | null;
}

export interface ResetOptions {
  readonly now: Date;
  /**
   * Keep term and vote, and vote for nobody before a leader has brought the member up to date. Not in a
   * cluster of two: there the other member cannot lead without this one's vote.
   */
  readonly keepsPromises: boolean;
}

/**
 * Sets a member's files aside, so that it starts empty and takes everything from the leader.
 *
 * @throws StorageError where the files are in use or cannot be read.
 */
export async function resetMember(
  member: MemberPaths,
  { now, keepsPromises }: ResetOptions,
  fs: LinkingFileSystem = nodeFileSystem,
): Promise<ResetMember> {
  const { address, directory } = member;
  return await underLock(fs, member, async () => {
    const path = memberFiles(directory, address).meta;
    const loaded = await loadMeta(fs, path);
    const stored = loaded.kind === "meta" ? loaded.meta : null;
    const setAsideTo = await copyAside(
      // Small: journal and dump are not copied but moved.
      { fs, now, watch: {} },
      { ...member, journal: null, dump: null },
      "reset",
    );
    if (!keepsPromises) {
      await moveInto(fs, member, setAsideTo);
      return { address, setAsideTo, kept: null };
    }
    const { term, votedFor } = stored ?? emptyMeta;
    const knowsTerm = loaded.kind === "meta" && loaded.isSealed && !loaded.meta.forgotTerm;
    // First: whenever a crash ends this, what is left neither votes nor leads.
    const meta = new MetaFile(fs, path, emptyMeta);
    await meta.store({
      term,
      votedFor,
      mustRefetch: true,
      forgotTerm: !knowsTerm,
      secondTerm: stored?.secondTerm ?? 0,
      termFloor: floorOf(stored, loaded.kind === "meta" && loaded.isSealed, term),
      owner: address,
    });
    await moveInto(fs, { ...member, meta: null }, setAsideTo);
    return { address, setAsideTo, kept: stored === null ? null : { term, votedFor } };
  });
}
