import { StorageError, systemCode } from "../storage/storage-error.js";

export const unchangedText = "Nothing was changed; the same command may be run again";

/**
 * What a disk has thrown at a command that changes a stopped member's files, in words for who has run it: those
 * of the storage speak of a member that runs.
 *
 * @param outcome What that means for the files, and what to do next.
 */
export function changeFault(error: unknown, doing: string, outcome: string): Error {
  const code = codeIn(error);
  const path = error instanceof StorageError ? `${error.path}: ` : "";
  const reason = code === null ? (error instanceof Error ? error.message : String(error)) : code;
  const advice = code === null ? "" : (advices[code] ?? "look in the system log, check the disk");
  const next = advice === "" ? "" : `: ${advice}`;
  const told = code === null ? reason : `${path}${reason} while ${doing}${next}`;
  return new Error(`${told}. ${outcome}`, { cause: error });
}

const advices: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full, make room",
  EDQUOT: "the quota is used up, make room",
  EROFS: "the file system is read-only, mount it for writing",
  EACCES: "run the command as the member's user",
  EPERM: "run the command as the member's user",
};

function codeIn(error: unknown): string | null {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at instanceof StorageError) continue;
    const code = systemCode(at);
    if (code !== null) return code;
  }
  return null;
}
