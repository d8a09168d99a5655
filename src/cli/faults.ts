import { dirname } from "node:path";
import { CliError } from "./exit-codes.js";

/** An error in one line, with its code where it has one. */
export function faultName(error: unknown): string {
  if (!(error instanceof Error)) {
    return String(error);
  }
  const code = "code" in error && typeof error.code === "string" ? error.code : null;
  const message = error.message.split("\n", 1)[0] ?? "";
  return code === null || message.includes(code) ? message : `${message} (${code})`;
}

/** What reading a file named on the command line threw, in words; other errors as they are. */
export function readingFault(error: unknown, path: string): unknown {
  const code = systemCodeOf(error);
  if (code === null) return error;
  const why =
    code === "ENOENT"
      ? "there is no such file"
      : code === "EISDIR"
        ? "it is a directory: give a file"
        : `it cannot be read (${code})`;
  return new CliError(`${path}: ${why}`, { cause: error });
}

/** The same of a file that was to be written: the names beside it that it has meanwhile help nobody. */
export function writingFault(error: unknown, path: string): unknown {
  const code = systemCodeOf(error);
  if (code === null) return error;
  const why =
    code === "ENOENT" || code === "ENOTDIR"
      ? `there is no directory ${dirname(path)}: make it, or choose another place`
      : `it cannot be written (${code})`;
  return new CliError(`${path}: ${why}`, { cause: error });
}

function systemCodeOf(error: unknown): string | null {
  const isOfSystem = error instanceof Error && "syscall" in error && "code" in error;
  return isOfSystem && typeof error.code === "string" ? error.code : null;
}
