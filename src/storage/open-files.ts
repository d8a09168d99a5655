import { ProtocolError } from "../../protocol/errors.js";
import type { LoadedDump } from "../../protocol/files/dump-format.js";
import type { Meta } from "../../protocol/files/meta-format.js";
import { type DumpTools, loadDump } from "./dump-codec.js";
import type { FileHandle, FileSystem } from "./file-system.js";
import { type MemberFiles, removeIfThere, setAside } from "./files.js";
import { JournalFile } from "./journal-file.js";
import { type BlankJournal, type LoadedJournal, loadJournal } from "./load-journal.js";
import { emptyMeta, type LoadedMeta, loadMeta, MetaFile } from "./meta-file.js";
import { type Finding, type FoundFiles, planRecovery, type RecoveryPlan } from "./recovery.js";
import { StorageError, storageFault, syncFault, systemCode } from "./storage-error.js";

export interface OpenedFiles {
  readonly plan: RecoveryPlan;
  readonly journal: JournalFile;
  readonly meta: MetaFile;
}

export interface OpenContext {
  readonly fs: FileSystem;
  readonly files: MemberFiles;
  readonly now: () => Date;
  readonly tools: DumpTools;
  readonly beforeChanges?: ((plan: RecoveryPlan) => Promise<void>) | undefined;
}

/** The three files as they were found, and what a start makes of them. */
export interface FoundOnDisk {
  readonly loadedMeta: LoadedMeta;
  readonly found: LoadedJournal | BlankJournal | null;
  /** `found`, where anything was ever stored in it. */
  readonly journal: LoadedJournal | null;
  readonly dump: LoadedDump | "damaged" | null;
  readonly plan: RecoveryPlan;
}

/** Reads the three files and decides. Nothing is changed. */
export async function readFiles(context: OpenContext): Promise<FoundOnDisk> {
  const { fs, files } = context;
  const loadedMeta = await loadMeta(fs, files.meta);
  if (loadedMeta.kind === "meta") refuseForeign(files, loadedMeta.meta.owner);
  const isMetaSealed = loadedMeta.kind === "meta" && loadedMeta.isSealed;
  const found = await loadJournal(fs, files.journal, isMetaSealed);
  const journal = found === null || "isBlank" in found ? null : found;
  const dump = await readDump(context);
  const plan = planRecovery({
    selfAddr: files.selfAddr,
    journal: journal === null ? null : pick(journal),
    meta: loadedMeta.kind === "meta" ? loadedMeta.meta : metaFault(loadedMeta.kind),
    isMetaSealed,
    dump,
  });
  refuseImplausible(files, plan, journal?.verdict ?? null);
  if (loadedMeta.kind === "meta" && loadedMeta.isRepaired) {
    const message = "one of the two copies of term and vote was damaged";
    plan.findings.push({ file: "meta", kind: "repaired", message });
  }
  return { loadedMeta, found, journal, dump, plan };
}

/** Reads the three files, decides, repairs: what it returns is durable. */
export async function openFiles(context: OpenContext): Promise<OpenedFiles> {
  const { fs, files } = context;
  const { loadedMeta, found, journal, dump, plan } = await readFiles(context);
  await context.beforeChanges?.(plan);
  await removeLeftovers(fs, files);
  // The flag first: a crash amid the repairs below must not let an incomplete member vote.
  const stored = loadedMeta.kind === "meta" ? loadedMeta.meta : emptyMeta;
  if (loadedMeta.kind === "damaged") {
    if (loadedMeta.setAsideTo === null) await keepAside(context, plan.findings, "meta");
    else noteAside(plan.findings, "meta", loadedMeta.setAsideTo);
  }
  const meta = await storeRecoveredMeta(context, stored, plan);
  if (dump === "damaged") await keepAside(context, plan.findings, "dump");
  if (dump !== null && dump !== "damaged") await syncFile(fs, files.dump);
  if (found !== null && "isBlank" in found && !found.isEmpty && !plan.isNew) {
    await keepAside(context, plan.findings, "journal");
  }
  const file = await settleJournal(context, plan, journal);
  await orClosed(file, () => syncFolder(fs, files.directory));
  return { plan, journal: file, meta };
}

function pick({ verdict, isSealed, version }: LoadedJournal): FoundFiles["journal"] {
  const { entries, isLossy, remark } = verdict;
  return { entries, isLossy, remark, isSealed, version };
}

function metaFault(kind: "absent" | "damaged"): "damaged" | null {
  return kind === "damaged" ? "damaged" : null;
}

/** The votes in it are another member's, and ours are unknown. */
function refuseForeign({ meta, selfAddr }: MemberFiles, owner: string | null): void {
  if (owner === null || owner === selfAddr) return;
  const message =
    `term and vote of member ${owner}, and this member is ${selfAddr}. Nothing was changed. Start ` +
    "the member with that address; or move this file away, and the member takes what it lacks " +
    "from the others before it votes";
  throw new StorageError("foreign", meta, message);
}

/**
 * Damage, for all that can be seen here; or the terms of a cluster that somebody has driven up. Nobody but members that run
 * can tell: what they send is checked by whoever takes it.
 */
function refuseImplausible(
  files: MemberFiles,
  plan: RecoveryPlan,
  verdict: LoadedJournal["verdict"] | null,
): void {
  const advice =
    "nothing was changed. Restore the member's files from a backup, or move them all away and " +
    "let the member start empty, after you have removed it from the cluster and added it again. Where the other " +
    "members' files hold such a term as well (quorate doctor DIR DIR compares them), somebody has driven the cluster " +
    "there: PySyncObj's members start on it, and a member that starts empty beside them takes it over. Keep them " +
    "running, or start them again, and replace one after the other so";
  if (verdict?.isImplausible === true) {
    const last = verdict.entries.at(-1);
    const place = last === undefined ? "" : ` behind entry ${last.index} of term ${last.term}`;
    const message = `an index or term${place} that no cluster can have reached by itself: ${advice}`;
    throw new StorageError("damaged", files.journal, message);
  }
  if (plan.implausible !== null) {
    throw new StorageError("damaged", files.meta, `${plan.implausible}: ${advice}`);
  }
}

async function readDump({ fs, files, tools }: OpenContext): Promise<LoadedDump | "damaged" | null> {
  let file: FileHandle;
  try {
    file = await fs.open(files.dump, "read");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return null;
    throw storageFault(error, files.dump, "opening the dump");
  }
  try {
    return await loadDump(file, tools);
  } catch (error) {
    if (error instanceof ProtocolError) return "damaged";
    throw storageFault(error, files.dump, "reading the dump");
  } finally {
    await file.close();
  }
}

async function storeRecoveredMeta(
  context: OpenContext,
  stored: Meta,
  plan: RecoveryPlan,
): Promise<MetaFile> {
  const meta = new MetaFile(context.fs, context.files.meta, stored);
  const { term, votedFor, commitIndex, mustRefetch, forgotTerm, termFloor, isNew } = plan;
  const owner = context.files.selfAddr;
  const marks = { mustRefetch, forgotTerm, termFloor, isBlank: isNew };
  await meta.store({ term, votedFor, commitIndex, ...marks, owner });
  return meta;
}

async function settleJournal(
  context: OpenContext,
  plan: RecoveryPlan,
  loaded: LoadedJournal | null,
): Promise<JournalFile> {
  const { fs, files } = context;
  if (loaded !== null && !plan.rewritesJournal) {
    const file = new JournalFile(files.journal, await openExisting(fs, files.journal));
    return await orClosed(file, () => file.adopt(plan.entries, loaded));
  }
  const file = await createJournal(fs, files);
  return await orClosed(file, async () => {
    await file.fill(plan.entries);
    if (plan.keepsOldJournal) await keepAside(context, plan.findings, "journal");
    await fs.rename(files.temporaryJournal, files.journal).catch((error: unknown) => {
      throw storageFault(error, files.journal, "putting the journal in place");
    });
  });
}

/** A start that waits for room tries again and again: each attempt gives back the descriptor that it took. */
async function orClosed(file: JournalFile, work: () => Promise<void>): Promise<JournalFile> {
  try {
    await work();
    return file;
  } catch (error) {
    await file.close().catch(() => {});
    throw error;
  }
}

async function openExisting(fs: FileSystem, path: string): Promise<FileHandle> {
  try {
    return await fs.open(path, "update");
  } catch (error) {
    throw storageFault(error, path, "opening the journal for writing");
  }
}

/** An empty journal under its temporary name. */
export async function createJournal(fs: FileSystem, files: MemberFiles): Promise<JournalFile> {
  try {
    return new JournalFile(files.journal, await fs.open(files.temporaryJournal, "create"));
  } catch (error) {
    throw storageFault(error, files.temporaryJournal, "making a new journal");
  }
}

async function keepAside(
  context: OpenContext,
  findings: Finding[],
  file: Finding["file"],
): Promise<void> {
  const path = {
    journal: context.files.journal,
    meta: context.files.meta,
    dump: context.files.dump,
  };
  noteAside(findings, file, await setAside(context.fs, path[file], context.now()));
}

function noteAside(findings: Finding[], file: Finding["file"], target: string): void {
  for (const finding of findings) {
    if (finding.file === file) finding.setAsideTo = target;
  }
}

/** Files that only a finished operation would have given a meaning. */
async function removeLeftovers(fs: FileSystem, files: MemberFiles): Promise<void> {
  for (const name of await fs.list(files.directory)) {
    const path = `${files.directory === "/" ? "" : files.directory}/${name}`;
    const isLeftover =
      path === files.temporaryJournal || path.startsWith(`${files.temporaryDumpPrefix}-`);
    if (isLeftover) await removeIfThere(fs, path);
  }
}

/** Another program may have left the file unsynced. */
async function syncFile(fs: FileSystem, path: string): Promise<void> {
  try {
    const file = await fs.open(path, "update");
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw storageFault(error, path, "syncing");
  }
}

export async function syncFolder(fs: FileSystem, path: string): Promise<void> {
  try {
    await fs.syncDirectory(path);
  } catch (cause) {
    throw syncFault(cause, path);
  }
}
