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
