import { recordsBytes } from "../../../protocol/files/journal-format.js";
import type { Meta } from "../../../protocol/files/meta-format.js";
import type { Entry } from "../../../protocol/log/entry.js";
import { systemClock } from "../../clock.js";
import type { MemberPaths } from "../../files/data-path.js";
import { FilesError } from "../../files/files-error.js";
import type { Watch } from "../../files/watch.js";
import { watchedFileSystem } from "../../files/watched-file-system.js";
import { nodeCompression } from "../../storage/compression.js";
import type { FileSystem } from "../../storage/file-system.js";
import { memberFiles } from "../../storage/files.js";
import { emptyMeta } from "../../storage/meta-file.js";
import { type FoundOnDisk, readFiles } from "../../storage/open-files.js";
import type { RecoveryPlan } from "../../storage/recovery.js";
import { Slicer } from "../../storage/slices.js";
import { StorageError } from "../../storage/storage-error.js";
import { Store } from "../../store/store.js";
import {
  checkAddress,
  clusterChangeIn,
  type ForcedPlan,
  forcedTermStep,
  membersNamed,
  refusalOf,
  termsUsedUp,
} from "./forced-plan.js";
import { type ForcedCluster, recordsOf } from "./recovery-record.js";

/** The member that is left, as its files have it. */
export interface Survivor {
  readonly member: MemberPaths;
  readonly plan: ForcedPlan;
  readonly meta: Meta;
  /** Of the log, all of which counts as committed. */
  readonly last: Entry;
  readonly commitIndex: number;
  /** The data at the log's end. */
  readonly store: Store;
  readonly codeVersion: number;
  /** The newest recovery that was begun on these files, finished or not; null: there was none. */
  readonly earlier: ForcedCluster | null;
  /** It was stopped amid its last steps: some of the files are the new ones. */
  readonly isBegun: boolean;
  /** The files are exactly what that one makes: nothing is left to be done. */
  readonly isDone: boolean;
}

/**
 * Reads the files as a start does, and changes nothing.
 *
 * @throws FilesError where the files' name is no address, or they hold what no cluster can have reached;
 *   StorageError where they cannot be read; the reason of the watch's signal.
 */
export async function readSurvivor(
  fs: FileSystem,
  member: MemberPaths,
  options: { readonly acceptsIncomplete: boolean; readonly watch: Watch },
): Promise<Survivor> {
  checkAddress(member);
  const { watch } = options;
  const found = await readFiles({
    fs: watchedFileSystem(fs, watch),
    files: memberFiles(member.directory, member.address),
    now: () => new Date(),
    tools: { clock: systemClock, compression: nodeCompression },
  }).catch((error: unknown) => {
    throw unbelievable(error);
  });
  watch.signal?.throwIfAborted();
  const [earlier = null] = await recordsOf(fs, member);
  const isDone = earlier !== null && isOutcomeOf(earlier, found);
  const { store, codeVersion } = await foldOf(found.plan, watch);
  const last = found.plan.entries.at(-1);
  if (last === undefined) throw new Error("a log without its first entry");
  // Names of an unfinished one: its new dump may be in place already, and names nobody else.
  const known = earlier !== null && !isDone && isHalfOutcomeOf(earlier, found) ? earlier : null;
  return {
    ...{ member, last, store, codeVersion, earlier, isBegun: known !== null, isDone },
    meta: found.loadedMeta.kind === "meta" ? found.loadedMeta.meta : emptyMeta,
    commitIndex: found.plan.commitIndex,
    plan: planOf(member.address, found, {
      keys: store.size,
      named: known?.formerMembers ?? [],
      refusal: refusalOf(found.plan, options.acceptsIncomplete),
    }),
  };
}

/** The advice of a start is for a member whose cluster is there. */
function unbelievable(error: unknown): unknown {
  if (!(error instanceof StorageError) || error.code !== "damaged") return error;
  const [reason = ""] = error.message.slice(error.path.length + 2).split(": nothing was changed");
  const advice =
    "these files cannot be believed. Take another survivor's (quorate doctor DIR DIR compares them), or a " +
    "backup (quorate restore --help). Nothing was changed";
  return new FilesError("refused", error.path, `${reason}: ${advice}`, error);
}

function planOf(
  address: string,
  { plan, journal, loadedMeta }: FoundOnDisk,
  given: Pick<ForcedPlan, "keys" | "refusal"> & { readonly named: readonly string[] },
): ForcedPlan {
  const { term, dump, entries, commitIndex, findings } = plan;
  const newTerm = term + forcedTermStep;
  const held = journal?.verdict.entries ?? [];
  // Entries that are of no use without those before them still name members.
  const members = membersNamed(dump, [...held, ...entries], commitIndex);
  for (const name of given.named) members.add(name);
  members.delete(address);
  const { index: lastIndex, term: lastTerm } = entries.at(-1) ?? { index: 1, term: 0 };
  const heldIndex = held.at(-1)?.index ?? 1;
  return {
    ...{ address, term, newTerm, lastIndex, lastTerm, keys: given.keys },
    commitIndex: loadedMeta.kind === "meta" ? loadedMeta.meta.commitIndex : null,
    unusedUpTo: heldIndex > lastIndex ? heldIndex : null,
    formerMembers: [...members].sort(),
    knowsAll: given.named.length > 0 || (dump !== null && !plan.mustRefetch),
    findings: [...findings.map(({ message }) => message), ...dipsIn(entries)],
    room: null,
    refusal: given.refusal ?? termsUsedUp(newTerm),
  };
}

/** A log of forgetful members may lack what others hold, however long it is. */
function dipsIn(entries: readonly Entry[]): string[] {
  const dips = entries.flatMap(({ index, term }, at) => {
    const before = entries[at - 1]?.term ?? 0;
    return term < before ? [`at entry ${index} from ${before} to ${term}`] : [];
  });
  const [first] = dips;
  if (first === undefined) return [];
  const more = dips.length === 1 ? "" : `, and ${dips.length - 1} more`;
  return [
    `the terms go down ${first}${more}: members of PySyncObj up to 0.3.15 had forgotten theirs, and entries ` +
      "that were acknowledged may have been replaced. Compare all survivors first: quorate doctor DIR DIR",
  ];
}

/** Its dump is in place, the log ends with it, and nobody has voted since. */
function isHalfOutcomeOf(
  { newTerm, lastIndex, address }: ForcedCluster,
  { plan: { dump, entries, term } }: FoundOnDisk,
): boolean {
  const last = entries.at(-1);
  const isAlone = dump?.members.every((member) => member === address) === true;
  return isAlone && last?.index === lastIndex + 1 && last.term === newTerm && term === newTerm;
}

function isOutcomeOf(record: ForcedCluster, found: FoundOnDisk): boolean {
  const { plan, loadedMeta } = found;
  return (
    isHalfOutcomeOf(record, found) &&
    !plan.rewritesJournal &&
    !plan.mustRefetch &&
    loadedMeta.kind === "meta" &&
    loadedMeta.meta.term === record.newTerm
  );
}

async function foldOf(
  { dump, entries }: RecoveryPlan,
  { signal, onRead }: Watch,
): Promise<{ readonly store: Store; readonly codeVersion: number }> {
  const slicer = new Slicer(systemClock);
  let doneBytes = 0;
  const breathe = async (): Promise<void> => {
    onRead?.(doneBytes);
    doneBytes = 0;
    await slicer.pause();
    signal?.throwIfAborted();
  };
  const steps = dump === null ? null : Store.fromDumpSteps(dump.data);
  let step = steps?.next();
  for (; step !== undefined && step.done !== true; step = steps?.next()) {
    if (slicer.isDue) await breathe();
  }
  const store = step?.value ?? new Store();
  let codeVersion = dump?.codeVersion ?? 0;
  for (const entry of entries) {
    const { index, command } = entry;
    doneBytes += recordsBytes([entry]);
    if (index <= (dump?.last.index ?? 1)) continue;
    store.apply(command, index);
    const decoded = clusterChangeIn(command);
    if (decoded?.kind === "version") codeVersion = decoded.version;
    if (slicer.isDue) await breathe();
  }
  await breathe();
  return { store, codeVersion };
}
