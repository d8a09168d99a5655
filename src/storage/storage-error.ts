import { constants } from "node:os";

/** What is wrong with the files, or with the disk under them. */
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
  /** The files are another member's. */
  | "foreign"
  /** What stands in the place of a file is no file, or a link to nothing. */
  | "no-file"
  | "permission";

/** A fault of the files or of the disk under them. The message says what to do next. */
export class StorageError extends Error {
  /** What kind of fault it is; stable, for programs. */
  readonly code: StorageErrorCode;
  /** The file or folder that it was met at. */
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
  const code = systemCode(error) ?? "";
  const fault = knownFaults[code] ?? { code: "io", advice: ioAdvice };
  // Without a code of the system's it is no fault of the disk: what it says is all that there is to go by.
  const what = fault.what ?? (code || String(error));
  const message = `${what} while ${doing}: ${fault.advice}`;
  return new StorageError(fault.code, path, message, { cause: error });
}

/** Whatever was acknowledged before has been synced, and no failed operation writes over it. */
const ioAdvice =
  "check the disk and the system log, then start the member again. What it had acknowledged was " +
  "synced before; the start reads all of it and says what is missing";
const permissionAdvice =
  "give the member's user the right to write there, then start it again. Nothing was lost";

const knownFaults: Readonly<
  Record<
    string,
    { readonly code: StorageErrorCode; readonly what?: string; readonly advice: string }
  >
> = {
  ENOSPC: fullDisk("no space left (ENOSPC)"),
  EDQUOT: fullDisk("the quota is used up (EDQUOT)"),
  EACCES: { code: "permission", advice: permissionAdvice },
  EPERM: { code: "permission", advice: permissionAdvice },
  EROFS: {
    code: "permission",
    what: "the file system is read-only (EROFS)",
    advice:
      "look in the system log for the reason, mount it for writing, then start the member again. " +
      "What it had acknowledged is on the disk",
  },
  ENOMEM: {
    code: "io",
    what: "memory is short (ENOMEM)",
    advice:
      "give the process more, then start the member again. A dump that inflates to more than 4 GiB is read " +
      "by Node.js 22 and newer only. The file is untouched, and so is what was acknowledged",
  },
  EMFILE: fewDescriptors("the process has too many open files (EMFILE)"),
  ENFILE: fewDescriptors("the system has too many open files (ENFILE)"),
  EISDIR: notAFile("a directory stands in the file's place (EISDIR)"),
  ENOTDIR: notAFile("a file stands in the place of a directory (ENOTDIR)"),
  EEXIST: notAFile("a file stands in the place of a directory (EEXIST)"),
};

function fullDisk(what: string) {
  const advice = "make room. Nothing is lost, and the member goes on by itself";
  return { code: "no-space", what, advice } as const;
}

function fewDescriptors(what: string) {
  const advice =
    "raise the limit (`ulimit -n`, LimitNOFILE of systemd), then start the member again. What it had " +
    "acknowledged was synced before, and is untouched";
  return { code: "io", what, advice } as const;
}

function notAFile(what: string) {
  const advice = "move it away, or correct the data directory. It is untouched";
  return { code: "no-file", what, advice } as const;
}

/**
 * A failed sync tells nothing about what reached the disk, and the next one may succeed without
 * writing what this one lost. So it is never tried again: the storage stops.
 */
export function syncFault(cause: unknown, path: string): StorageError {
  const message =
    `a sync failed (${systemCode(cause) ?? "no code"}), so what reached the disk of the last ` +
    "write is unknown; it was not acknowledged, and what was is synced. Check the disk and the " +
    "system log, then start the member again";
  return new StorageError("io", path, message, { cause });
}

/** One of the two renames of a compaction: which of them have been done is unknown. */
export function switchFault(cause: unknown, path: string): StorageError {
  const message =
    `${systemCode(cause) ?? "failure"} while putting a new dump and journal in place: the old and the ` +
    "new ones are synced, and the next start goes on from those that it finds. Check the disk and the " +
    "system log, then start the member again";
  return new StorageError("io", path, message, { cause });
}

/** The code of the system where no file could be opened for want of descriptors: later there may be some. */
export function lackOfDescriptors(error: unknown): string | null {
  const code = systemCode(error instanceof StorageError ? error.cause : error);
  return code === "EMFILE" || code === "ENFILE" ? code : null;
}

/** The system's error code (`ENOENT`), where the error carries one. */
export function systemCode(error: unknown): string | null {
  if (!(error instanceof Error) || !("code" in error)) return null;
  // Node.js has no name for a quota that is used up: the code is `Unknown system error -122`.
  if ("errno" in error && error.errno === -constants.errno.EDQUOT) return "EDQUOT";
  return typeof error.code === "string" ? error.code : null;
}
