import { join } from "node:path";
import { encodeNoOp } from "../../../protocol/log/commands.js";
import type { Entry } from "../../../protocol/log/entry.js";
import { systemClock } from "../../clock.js";
import { changeFault, unchangedText } from "../../files/change-fault.js";
import type { Watch } from "../../files/watch.js";
import { nodeCompression } from "../../storage/compression.js";
import { encodeDump } from "../../storage/dump-codec.js";
import type { FileHandle } from "../../storage/file-system.js";
import { type MemberFiles, memberFiles, removeIfThere } from "../../storage/files.js";
import { MetaFile } from "../../storage/meta-file.js";
import { createJournal } from "../../storage/open-files.js";
import { copyAside, removeFolder, type Workplace, writeText } from "./aside-folder.js";
import { type ForcedCluster, recordName, recoveryFolder } from "./recovery-record.js";
import type { Survivor } from "./survivor.js";

/** Some of the files are the new ones. */
export class UnfinishedError extends Error {
  override readonly name = "UnfinishedError";
}

export interface ForceOptions {
  /** Members that are known from elsewhere: those of a first start stand in the configuration only. */
  readonly named: readonly string[];
  /** Told how many of the keys are written. */
  readonly onKeys?: (done: number) => void;
}

/**
 * Makes of one survivor's files those of a cluster in which it is alone: the whole log counts as
 * committed, an entry of a higher term ends it, and a dump with one member takes the journal's place. The
 * caller holds the lock, and has looked at `plan.refusal`.
 *
 * All that takes long comes first, beside the files: until it is done nothing is changed, and where it is
 * stopped nothing of it stays. Then three renames. A start between any two of them finds the old cluster's
 * files or the new one's; this function, called again, brings it to its end.
 *
 * @throws UnfinishedError amid the renames; the reason of the watch's signal.
 */
export async function forceNewCluster(
  place: Workplace,
  survivor: Survivor,
  { named, onKeys = () => {} }: ForceOptions,
): Promise<ForcedCluster> {
  const { fs, watch } = place;
  const { member, plan } = survivor;
  const files = memberFiles(member.directory, member.address);
  const temporaryDump = `${files.temporaryDumpPrefix}-1`;
  const last: Entry = { index: plan.lastIndex + 1, term: plan.newTerm, command: encodeNoOp() };
  const setAsideTo = await copyAside(place, member, recoveryFolder);
  const made = recordOf(survivor, named, setAsideTo);
  try {
    await writeText(fs, join(setAsideTo, recordName), `${JSON.stringify(made, null, 2)}\n`);
    await fs.syncDirectory(setAsideTo);
    await writeDump(place, { survivor, last, path: temporaryDump, onKeys });
    await writeJournal(place, files, [survivor.last, last]);
    watch.signal?.throwIfAborted();
  } catch (error) {
    await removeIfThere(fs, temporaryDump).catch(() => {});
    await removeIfThere(fs, files.temporaryJournal).catch(() => {});
    await removeFolder(fs, setAsideTo);
    if (watch.signal?.aborted === true) throw error;
    throw changeFault(error, "writing the new files beside the old ones", unchangedText);
  }
  try {
    // The dump first: a start joins it with the old journal, which ends before it.
    await fs.rename(temporaryDump, files.dump);
    await fs.syncDirectory(files.directory);
    await fs.rename(files.temporaryJournal, files.journal);
    await fs.syncDirectory(files.directory);
    await storeMeta(place, files, { survivor, last });
  } catch (error) {
    const outcome =
      `Start no member on these files yet: run the same command again, which brings it to its end. The ` +
      `files as they were are in ${setAsideTo}`;
    throw new UnfinishedError(
      changeFault(error, "putting the new files in place", outcome).message,
      { cause: error },
    );
  }
  return made;
}

function recordOf(
  { member: { address }, plan, commitIndex }: Survivor,
  named: readonly string[],
  setAsideTo: string,
): ForcedCluster {
  const { term, newTerm, lastIndex, keys, findings } = plan;
  // As it was stored, also where entries up to there are missing: that tells how many.
  const stored = plan.commitIndex ?? commitIndex;
  const formerMembers = new Set([...plan.formerMembers, ...named]);
  formerMembers.delete(address);
  return {
    ...{ address, setAsideTo, oldTerm: term, newTerm, lastIndex, commitIndex: stored },
    ...{ formerMembers: [...formerMembers].sort(), keys, findings },
  };
}

interface NewDump {
  readonly survivor: Survivor;
  readonly last: Entry;
  readonly onKeys: (done: number) => void;
}

async function writeDump(
  { fs, watch }: Workplace,
  { path, ...dump }: NewDump & { readonly path: string },
): Promise<void> {
  const file = await fs.open(path, "create");
  try {
    await encodeNewDump(file, { ...dump, watch });
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Writes the dump in which the survivor is the only member. The caller syncs. */
export async function encodeNewDump(
  file: FileHandle,
  { survivor, last, onKeys, watch }: NewDump & { readonly watch: Watch },
): Promise<void> {
  const { member, store, codeVersion } = survivor;
  const snapshot = store.beginSnapshot();
  function* records() {
    let done = 0;
    for (const record of snapshot.records) {
      yield record;
      done += 1;
      onKeys(done);
    }
  }
  try {
    const previous = survivor.last;
    const source = { last, previous, members: [member.address], codeVersion, records: records() };
    const tools = { clock: systemClock, compression: nodeCompression };
    await encodeDump(source, file, { ...tools, signal: watch.signal });
  } finally {
    snapshot.end();
  }
}

async function writeJournal(
  { fs }: Workplace,
  files: MemberFiles,
  entries: readonly Entry[],
): Promise<void> {
  const journal = await createJournal(fs, files);
  try {
    await journal.fill(entries);
  } finally {
    await journal.close();
  }
}

/** At last: the mark that something is missing stays as long as the old log can be found in its place. */
async function storeMeta(
  { fs }: Workplace,
  files: MemberFiles,
  { survivor, last }: { readonly survivor: Survivor; readonly last: Entry },
): Promise<void> {
  await new MetaFile(fs, files.meta, survivor.meta).store({
    ...{ term: last.term, votedFor: null, commitIndex: last.index, owner: survivor.member.address },
    ...{ mustRefetch: false, forgotTerm: false, isBlank: false },
  });
}
