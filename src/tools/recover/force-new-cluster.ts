import { join } from "node:path";
import { encodeNoOp } from "../../../protocol/log/commands.js";
import type { Entry } from "../../../protocol/log/entry.js";
import type { MemberPaths } from "../../files/data-path.js";
import { FilesError } from "../../files/files-error.js";
import { silentLogger } from "../../logger.js";
import type { FileSystem } from "../../storage/file-system.js";
import { nodeFileSystem } from "../../storage/node-file-system.js";
import { type Recovered, Storage } from "../../storage/storage.js";
import { copyAside, writeText } from "./aside-folder.js";
import { checkAddress, foldOf, forcedTermStep, membersNamed, refusalOf } from "./forced-plan.js";

/** What was made of the files, and what they had been. Kept as JSON beside the old files. */
export interface ForcedCluster {
  readonly address: string;
  /** Folder with the files as they were. */
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

export interface ForceOptions {
  readonly now: Date;
  /** Go on where the files themselves say that acknowledged entries may be missing. */
  readonly acceptsIncomplete: boolean;
  /** Members that are known from elsewhere: those of a first start stand in the configuration only. */
  readonly named: readonly string[];
}

/**
 * Makes of one survivor's files those of a cluster in which it is alone: the whole log counts as
 * committed, an entry of a higher term ends it, and a dump with one member takes the journal's place.
 * Each step is durable and leaves files that a member could start on.
 *
 * @throws StorageError where the files are in use or cannot be opened; FilesError `refused`.
 */
export async function forceNewCluster(
  member: MemberPaths,
  { now, acceptsIncomplete, named }: ForceOptions,
  fs: FileSystem = nodeFileSystem,
): Promise<ForcedCluster> {
  const { address, directory } = member;
  checkAddress(member);
  let refusal: FilesError | null = null;
  let setAsideTo = "";
  const { storage, recovered } = await Storage.open({
    ...{ dataDir: directory, selfAddr: address, logger: silentLogger, fileSystem: fs },
    now: () => now,
    beforeChanges: async (found) => {
      const reason = refusalOf(found, acceptsIncomplete);
      if (reason !== null) {
        refusal = new FilesError("refused", `${directory}/${address}`, reason);
        throw refusal;
      }
      setAsideTo = await copyAside(fs, member, "recovery", now);
    },
  }).catch((error: unknown) => {
    throw refusal ?? error;
  });
  try {
    const made = await makeAlone(storage, recovered, { address, setAsideTo, named });
    await writeText(fs, join(setAsideTo, "recovery.json"), `${JSON.stringify(made, null, 2)}\n`);
    await fs.syncDirectory(setAsideTo);
    return made;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const advice = `the files as they were are in ${setAsideTo}: put them back before any member is started`;
    throw new Error(`${reason}. ${advice}`, { cause });
  } finally {
    await storage.close();
  }
}

async function makeAlone(
  storage: Storage,
  recovered: Recovered,
  {
    address,
    setAsideTo,
    named,
  }: {
    readonly address: string;
    readonly setAsideTo: string;
    readonly named: readonly string[];
  },
): Promise<ForcedCluster> {
  const { entries, dump, commitIndex, findings } = recovered;
  const previous = entries.at(-1);
  if (previous === undefined) throw new Error("a log without its first entry");
  const { store, codeVersion } = foldOf(recovered);
  const formerMembers = new Set([...membersNamed(dump, entries, commitIndex), ...named]);
  formerMembers.delete(address);
  const newTerm = recovered.term + forcedTermStep;
  const last: Entry = { index: previous.index + 1, term: newTerm, command: encodeNoOp() };
  // Beside, and first: where there is no room for it nothing has changed yet. A log that ended with the
  // new term, and still named the old members, would overrule them if they were started after all.
  const snapshot = store.beginSnapshot();
  try {
    const { records } = snapshot;
    await storage.writeDump({ last, previous, members: [address], codeVersion, records });
  } finally {
    snapshot.end();
  }
  await storage.write([
    { kind: "meta", term: newTerm, votedFor: null },
    { kind: "append", entries: [last] },
    { kind: "compact", keepFrom: previous.index },
    { kind: "must-refetch", missing: false, forgotTerm: false },
  ]);
  storage.saveCommitIndex(last.index);
  return {
    address,
    setAsideTo,
    oldTerm: recovered.term,
    newTerm,
    lastIndex: previous.index,
    commitIndex,
    formerMembers: [...formerMembers].sort(),
    keys: store.size,
    findings: findings.map(({ message }) => message),
  };
}
