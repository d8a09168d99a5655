export type StorageErrorCode =
  /** Another process uses these files. */
  | "locked"
  /** The disk or the quota is full, or the journal has reached its largest size. Nothing of the
   * failed append is kept; the same write may be tried again. */
  | "no-space"
  /** A read, write or sync failed. The storage refuses all further work: reopen it. */
  | "io"
  /** A file holds what no member can have written. */
  | "damaged"
  | "permission";

/** A fault of the files or of the disk under them. The message says what to do next. */
export class StorageError extends Error {
  readonly code: StorageErrorCode;
  readonly path: string;

  constructor(
    code: StorageErrorCode,
    path: string,
    message: string,
    details: { readonly cause?: unknown } = {},
  ) {
    super(
      `${path}: ${message}`,
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.name = "StorageError";
    this.code = code;
    this.path = path;
  }
}

/** Turns what a file operation threw into a StorageError; passes a StorageError on. */
export function storageFault(error: unknown, path: string, doing: string): StorageError {
  if (error instanceof StorageError) return error;
  const code = systemCode(error);
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new StorageError("no-space", path, `no space left while ${doing}: make room`, {
      cause: error,
    });
  }
  if (code === "EACCES" || code === "EPERM" || code === "EROFS") {
    const advice = "give the member's user the right to write there";
    return new StorageError("permission", path, `${code} while ${doing}: ${advice}`, {
      cause: error,
    });
  }
  const advice = "check the disk and the system log, then start the member again";
  return new StorageError("io", path, `${code ?? "failure"} while ${doing}: ${advice}`, {
    cause: error,
  });
}

/**
 * A failed sync tells nothing about what reached the disk, and the next one may succeed without
 * writing what this one lost. So it is never tried again: the storage stops.
 */
export function syncFault(cause: unknown, path: string): StorageError {
  const message =
    "a sync failed, what reached the disk is unknown: check the disk, then start the member again";
  return new StorageError("io", path, message, { cause });
}

/** The system's error code (`ENOENT`), where the error carries one. */
export function systemCode(error: unknown): string | null {
  if (!(error instanceof Error) || !("code" in error)) return null;
  return typeof error.code === "string" ? error.code : null;
}
