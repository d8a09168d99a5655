/** What the loop and the thread that writes for it tell each other, in memory that both see. */
export interface DiskMemory {
  /** Int32, by `slot`: which job this is, and of what it consists. */
  readonly numbers: SharedArrayBuffer;
  /** Float64: where each write goes. An offset is too large for 32 bits. */
  readonly positions: SharedArrayBuffer;
  /** The bytes of all writes, one behind the other. */
  readonly bytes: SharedArrayBuffer;
}

/** `job` counts up, and the thread waits on it; `lengths` is the first of one for each write. */
export const slot = { job: 0, descriptor: 1, writes: 2, lengths: 3 } as const;

export const diskJobWritesMax = 4;

/** More at once goes by way of the pool: there the trips do not count. */
export const diskJobBytesMax = 256 * 1024;

/** Why a job ended early; null in its place: it is done. */
export interface DiskJobFault {
  readonly step: "write" | "sync";
  readonly message: string;
  readonly code: string | undefined;
  readonly errno: number | undefined;
}

/** What the thread says: first that it can work, then of each job, by its number, that it has ended. */
export type DiskThreadMessage =
  | "ready"
  | { readonly job: number; readonly fault: DiskJobFault | null };
