/**
 * All that the storage asks of a disk. Operations reject with the system's error (`code` ENOENT,
 * ENOSPC, …). A simulator may stand in for the real one (see node-file-system.ts).
 */
export interface FileSystem {
  /**
   * `read`: must exist. `update`: must exist, for reading and writing. `create`: made anew, empty,
   * for reading and writing.
   */
  open(path: string, mode: "read" | "update" | "create"): Promise<FileHandle>;
  /** Atomic; replaces `to`. Durable only after `syncDirectory`. */
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Names in a directory. */
  list(directory: string): Promise<string[]>;
  makeDirectory(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  /**
   * Takes the lock that keeps other processes off these files; it ends with the process.
   *
   * @param journal The journal's path: another program may hold that file without any lock.
   * @throws StorageError `locked`.
   */
  lock(journal: string): Promise<FileLock>;
}

/** What tools that keep the old files need beside: members do nothing of the kind. */
export interface LinkingFileSystem extends FileSystem {
  /** Gives the file a second name; rejects where `to` is taken. Durable only after `syncDirectory`. */
  link(from: string, to: string): Promise<void>;
  /** Rejects where anything is in it. */
  removeDirectory(path: string): Promise<void>;
}

/** Bytes, and where in a file they go. */
export interface PlacedBytes {
  readonly bytes: Uint8Array;
  readonly position: number;
}

/** The sync of a `writeThenSync` has failed; the cause is the system's error. */
export class FailedSync extends Error {
  override readonly name = "FailedSync";
}

export interface FileHandle {
  size(): Promise<number>;
  /** Reads up to `length` bytes; fewer only at the end of the file. */
  read(position: number, length: number): Promise<Uint8Array>;
  /** Writes all bytes. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Makes the contents durable, and the size as far as reading them back needs it. */
  sync(): Promise<void>;
  /**
   * Each `write` in order, then `sync`, none of them behind one that fails: where the file has a shorter way
   * to do that. Rejects with FailedSync where it was the sync.
   */
  writeThenSync?(writes: readonly PlacedBytes[]): Promise<void>;
  truncate(size: number): Promise<void>;
  close(): Promise<void>;
}

/** By the file's own way, or step by step. */
export async function writeThenSync(
  file: Pick<FileHandle, "write" | "sync" | "writeThenSync">,
  writes: readonly PlacedBytes[],
): Promise<void> {
  if (file.writeThenSync !== undefined) return await file.writeThenSync(writes);
  await inSteps(file, writes);
}

export async function inSteps(
  file: Pick<FileHandle, "write" | "sync">,
  writes: readonly PlacedBytes[],
): Promise<void> {
  for (const { bytes, position } of writes) await file.write(bytes, position);
  try {
    await file.sync();
  } catch (error) {
    throw new FailedSync("a sync failed", { cause: error });
  }
}

export interface FileLock {
  /** What this lock does not keep off, where that is more than usual: for the log. */
  readonly remark?: string;
  release(): Promise<void>;
}
