import type { FileSystem } from "../storage/file-system.js";
import { memberFiles } from "../storage/files.js";
import { StorageError } from "../storage/storage-error.js";
import { changeFault, unchangedText } from "./change-fault.js";
import type { MemberPaths } from "./data-path.js";

/**
 * Does work while no member runs on the files: it would go on writing to what is copied or changed.
 *
 * @param work Given what the lock does not keep off, where that is more than usual.
 * @throws StorageError `locked` where one does.
 */
export async function underLock<T>(
  fs: FileSystem,
  { directory, address }: Pick<MemberPaths, "directory" | "address">,
  work: (remark: string | undefined) => Promise<T>,
): Promise<T> {
  const lock = await fs.lock(memberFiles(directory, address).journal).catch((error: unknown) => {
    if (error instanceof StorageError) throw error;
    throw changeFault(error, "taking the member's lock", unchangedText);
  });
  try {
    return await work(lock.remark);
  } finally {
    await lock.release();
  }
}
