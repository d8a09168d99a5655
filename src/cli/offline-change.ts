import { access, constants, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { findData, type MemberPaths } from "../files/data-path.js";
import { memberFiles } from "../storage/files.js";
import { nodeFileSystem } from "../storage/node-file-system.js";
import { findLock } from "../storage/process-lock.js";
import { systemCode } from "../storage/storage-error.js";
import { filesOf } from "../tools/recover/aside-folder.js";
import { findMember } from "./chosen-files.js";
import { CliError, exitCode } from "./exit-codes.js";

/** As commander collects them. */
export interface OfflineFlags {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

/** Options of the commands that change a member's files. */
export function addOfflineOptions(command: Command): Command {
  return command
    .argument("<path>", "the data directory, or <data_dir>/<self_addr>")
    .option("--dry-run", "show what would be done, and change nothing")
    .option("--yes", "do it; without it nothing is changed");
}

/**
 * The member whose files are to be changed.
 *
 * @throws CliError where another user owns them: files that are made now would not be that user's, and
 *   its member could not start. Also where nobody can write there.
 */
export async function memberToChange(path: string): Promise<MemberPaths> {
  const found = await findData(nodeFileSystem, path);
  if (found.kind === "file") {
    throw new CliError(`${path} is one file: give the data directory, or <data_dir>/<self_addr>`, {
      code: exitCode.usage,
    });
  }
  const member = await findMember(path);
  const fault = await obstacleTo(member);
  if (fault !== null) throw fault;
  return member;
}

/** Why this user cannot change the files here; null where nothing is in the way. */
export async function obstacleTo(member: MemberPaths): Promise<CliError | null> {
  const self = process.geteuid?.();
  for (const file of [...filesOf(member), join(member.directory, ".")]) {
    const { uid } = await stat(file);
    if (self === undefined || uid === self) continue;
    return new CliError(
      `${file} belongs to user ${uid}, and this is user ${self}: run the command as the member's ` +
        `user (sudo -u '#${uid}' quorate …). Nothing was changed`,
    );
  }
  const code = await access(member.directory, constants.W_OK).then(
    () => null,
    (error: unknown) => systemCode(error) ?? "not writable",
  );
  if (code === null) return null;
  const why = code === "EROFS" ? ": the file system is read-only, mount it for writing" : "";
  return new CliError(`${member.directory} cannot be written (${code})${why}. Nothing was changed`);
}

/**
 * For a look without the lock: files that are being written would show what is not so, and a change would be
 * refused.
 *
 * @throws StorageError `locked`.
 */
export async function refuseInUse({ directory, address }: MemberPaths): Promise<void> {
  const holder = await findLock(memberFiles(directory, address).journal);
  if (holder !== null) throw holder;
}

/** @throws CliError where both are given: scripts that mean one of them would get the other. */
export function checkConsent({ yes, dryRun }: OfflineFlags): void {
  if (yes === true && dryRun === true) {
    throw new CliError("--yes and --dry-run contradict each other: give one. Nothing was changed", {
      code: exitCode.usage,
    });
  }
}
