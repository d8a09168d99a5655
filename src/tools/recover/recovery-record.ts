import { join, resolve } from "node:path";
import type { MemberPaths } from "../../files/data-path.js";
import type { FileSystem } from "../../storage/file-system.js";
import { readWhole } from "../../storage/files.js";

/** What was made of the files, and what they had been. Kept as JSON beside the old files. */
export interface ForcedCluster {
  readonly address: string;
  /** Folder with the files as they were, from the root on. */
  readonly setAsideTo: string;
  readonly oldTerm: number;
  readonly newTerm: number;
  /** The last entry of the old log. */
  readonly lastIndex: number;
  /** Up to here the survivor knew the entries as committed: what comes behind is taken for committed. */
  readonly commitIndex: number;
  /** The other members that the dump, the journal or the caller names. */
  readonly formerMembers: readonly string[];
  readonly keys: number;
  /** What was wrong with the files already, in words. */
  readonly findings: readonly string[];
}

/** What comes next, in the names of the folders. */
export const recoveryFolder = "recovery";

export const recordName = "recovery.json";

const recordBytesMax = 1024 * 1024;

/** The records of recoveries that were begun on these files, the newest first. */
export async function recordsOf(
  fs: FileSystem,
  { directory, address }: MemberPaths,
): Promise<readonly ForcedCluster[]> {
  const start = `${address}.before-${recoveryFolder}-`;
  const names = (await fs.list(directory)).filter((name) => name.startsWith(start)).sort();
  const records: ForcedCluster[] = [];
  for (const name of names.reverse()) {
    const bytes = await readWhole(fs, join(directory, name, recordName), recordBytesMax);
    const record = bytes === null ? null : parsed(Buffer.from(bytes).toString());
    if (record !== null) records.push({ ...record, setAsideTo: resolve(directory, name) });
  }
  return records;
}

/** Null where it was not written to its end, or is somebody else's. */
function parsed(text: string): ForcedCluster | null {
  try {
    const { address, setAsideTo, oldTerm, newTerm, lastIndex, commitIndex, ...rest } =
      JSON.parse(text);
    const { formerMembers, keys, findings } = rest;
    const numbers = [oldTerm, newTerm, lastIndex, commitIndex, keys];
    const texts = [address, setAsideTo, ...formerMembers, ...findings];
    if (!numbers.every(Number.isSafeInteger)) return null;
    if (!texts.every((each) => typeof each === "string")) return null;
    return {
      ...{ address, setAsideTo, oldTerm, newTerm, lastIndex, commitIndex },
      ...{ formerMembers, keys, findings },
    };
  } catch {
    return null;
  }
}
