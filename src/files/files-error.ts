import { StorageError, systemCode } from "../storage/storage-error.js";

export type FilesErrorCode =
  /** The path is empty: wrong usage. */
  | "no-path"
  /** There is nothing at that path. */
  | "no-such-path"
  /** What is there is none of a member's files. */
  | "not-data"
  /** The system refuses to read it. */
  | "unreadable"
  /** The files do not hold what was asked for. */
  | "not-held"
  /** A changing operation cannot be done safely. */
  | "refused";

/** A fault that ends a look at files. Nothing was changed. */
export class FilesError extends Error {
  readonly code: FilesErrorCode;
  readonly path: string;

  constructor(code: FilesErrorCode, path: string, message: string, cause?: unknown) {
    super(`${path}: ${message}`, cause === undefined ? undefined : { cause });
    this.name = "FilesError";
    this.code = code;
    this.path = path;
  }
}

/** What reading a file threw, in words for somebody who only looks. */
export function readFault(error: unknown, path: string): Error {
  if (error instanceof FilesError) return error;
  if (error instanceof StorageError) return new FilesError("unreadable", path, told(error), error);
  const code = systemCode(error);
  if (code === null) return error instanceof Error ? error : new Error(String(error));
  if (code === "ENOENT")
    return new FilesError("no-such-path", path, "there is no such file", error);
  const who = code === "EACCES" || code === "EPERM" ? ": try it as the member's user" : "";
  return new FilesError("unreadable", path, `it cannot be read (${code})${who}`, error);
}

/** Without the path, which the message gets once more; and nobody has started a member here. */
function told({ code, message, path }: StorageError): string {
  if (code === "no-file") {
    return "it is no file but a directory, a device, or a link that leads to nothing";
  }
  return message.startsWith(`${path}: `) ? message.slice(path.length + 2) : message;
}
