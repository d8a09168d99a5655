import { stat } from "node:fs/promises";
import { type DataPath, findData, type MemberPaths } from "../files/data-path.js";
import { nodeFileSystem } from "../storage/node-file-system.js";
import { CliError, exitCode } from "./exit-codes.js";

/** The one member that a path leads to. */
export async function findMember(path: string): Promise<MemberPaths> {
  const found = await findData(nodeFileSystem, path);
  if (found.kind === "file") return found.member;
  const [member, ...more] = found.members;
  if (member === undefined || more.length > 0) {
    const names = found.members.map(({ address }) => address).join(", ");
    throw new CliError(
      `${path}: files of several members (${names}): give <data_dir>/<self_addr>`,
      {
        code: exitCode.usage,
      },
    );
  }
  return member;
}

/**
 * The one member that a path leads to, to be read for its entries or its data. A journal's file stands for
 * all of its member's files, since its data begin in the dump; a dump's file for itself.
 */
export async function findReadable(path: string): Promise<MemberPaths> {
  const member = await findMember(path);
  const found = await findData(nodeFileSystem, path);
  if (found.kind !== "file" || found.what === "journal") return member;
  if (found.what === "dump") return { ...member, journal: null };
  throw new CliError(
    `${path}: a meta file holds neither entries nor data: give the journal, the dump or the directory`,
    { code: exitCode.usage },
  );
}

/** Only the files that a path names, member by member. */
export function chosenFiles(found: DataPath): readonly MemberPaths[] {
  if (found.kind === "members") return found.members;
  const none = { journal: null, meta: null, dump: null, others: [] };
  return [{ ...found.member, ...none, [found.what]: found.path }];
}

/** Bytes of all these files together, for progress. */
export async function bytesOf(paths: readonly (string | null)[]): Promise<number> {
  const sizes = paths.map(async (path) =>
    path === null ? 0 : ((await stat(path).catch(() => null))?.size ?? 0),
  );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
