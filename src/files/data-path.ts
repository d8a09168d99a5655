import { basename, dirname, join } from "node:path";
import type { FileSystem } from "../storage/file-system.js";
import { systemCode } from "../storage/storage-error.js";
import { FilesError, readFault } from "./files-error.js";

export type FileKind = "journal" | "meta" | "dump";

/** One member's files in a data directory; those that are there. */
export interface MemberPaths {
  /** `host:port`, the files' name. */
  readonly address: string;
  readonly directory: string;
  readonly journal: string | null;
  readonly meta: string | null;
  readonly dump: string | null;
  /** What lies beside them: set aside, left over, kept after a conflict. */
  readonly others: readonly string[];
}

/** What a path given by somebody leads to. */
export type DataPath =
  | { readonly kind: "members"; readonly members: readonly MemberPaths[] }
  | {
      readonly kind: "file";
      readonly what: FileKind;
      readonly path: string;
      /** The files of the member whose file it seems to be, itself in their midst. */
      readonly member: MemberPaths;
    };

const endings: readonly (readonly [FileKind, string])[] = [
  ["meta", ".journal.meta"],
  ["journal", ".journal"],
  ["dump", ".dump"],
];

/**
 * Finds out what a path leads to: a data directory, one file of a member under whatever name, or
 * what a member's files have in common (`<data_dir>/<self_addr>`).
 *
 * @throws FilesError `no-path`, `no-such-path`, `not-data`, `unreadable`.
 */
export async function findData(fs: FileSystem, path: string): Promise<DataPath> {
  if (path === "") {
    throw new FilesError("no-path", "PATH", "it is empty (a variable without a value?)");
  }
  const names = await namesIn(fs, path);
  if (names !== null) {
    const members = membersIn(path, names);
    if (members.length === 0) {
      throw new FilesError("not-data", path, "no journal, meta or dump is in this directory");
    }
    return { kind: "members", members };
  }
  const directory = dirname(path);
  const beside = (await namesIn(fs, directory)) ?? [];
  const name = basename(path);
  if (beside.includes(name)) {
    const what = (await kindByContent(fs, path)) ?? kindByName(name);
    if (what === null) {
      throw new FilesError("not-data", path, "neither a journal, a meta file nor a dump");
    }
    return { kind: "file", what, path, member: memberAround(directory, beside, { name, what }) };
  }
  const member = membersIn(directory, beside).find(({ address }) => address === name);
  if (member !== undefined) return { kind: "members", members: [member] };
  throw new FilesError("no-such-path", path, "there is no such file or directory");
}

/** The members whose files these names are, in order. */
export function membersIn(directory: string, names: readonly string[]): MemberPaths[] {
  const addresses = new Set<string>();
  for (const name of names) {
    const ending = endings.find(([, text]) => name.endsWith(text) && name.length > text.length);
    if (ending !== undefined) addresses.add(name.slice(0, -ending[1].length));
  }
  return [...addresses].sort().map((address) => memberNamed(directory, names, address));
}

function memberNamed(directory: string, names: readonly string[], address: string): MemberPaths {
  const present = (ending: string) =>
    names.includes(address + ending) ? join(directory, address + ending) : null;
  const own = endings.map(([, ending]) => address + ending);
  return {
    address,
    directory,
    journal: present(".journal"),
    meta: present(".journal.meta"),
    dump: present(".dump"),
    others: names
      .filter((name) => own.some((start) => name.startsWith(`${start}.`)) && !own.includes(name))
      .sort(),
  };
}

/** A file under a strange name stands for itself: nobody knows what else belongs to it. */
function memberAround(
  directory: string,
  names: readonly string[],
  file: { readonly name: string; readonly what: FileKind },
): MemberPaths {
  const ending = endings.find(([kind]) => kind === file.what)?.[1] ?? "";
  if (file.name.endsWith(ending)) {
    return memberNamed(directory, names, file.name.slice(0, -ending.length));
  }
  const none = { journal: null, meta: null, dump: null };
  const path = join(directory, file.name);
  return { ...none, [file.what]: path, address: file.name, directory, others: [] };
}

/** Null where the path is no directory, or nothing. */
async function namesIn(fs: FileSystem, path: string): Promise<string[] | null> {
  try {
    return await fs.list(path);
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOTDIR" || code === "ENOENT") return null;
    throw readFault(error, path);
  }
}

async function kindByContent(fs: FileSystem, path: string): Promise<FileKind | null> {
  let start: Uint8Array;
  try {
    const file = await fs.open(path, "read");
    try {
      start = await file.read(0, 9);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw readFault(error, path);
  }
  if (String.fromCharCode(...start) === "PYSYNCOBJ") return "journal";
  if (start[0] === 0x1f && start[1] === 0x8b) return "dump";
  return start[0] === 0x80 && (start[1] ?? 9) < 6 ? "meta" : null;
}

/** `.journal.damaged-…` and its like count by what comes before. */
function kindByName(name: string): FileKind | null {
  const found = endings.find(([, ending]) => name.endsWith(ending) || name.includes(`${ending}.`));
  return found?.[0] ?? null;
}
