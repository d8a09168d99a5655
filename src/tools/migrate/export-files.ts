import { isIP } from "node:net";
import { crc32 } from "node:zlib";
import {
  encodeJournalHeader,
  journalHeaderBytes,
  parseJournalHeader,
} from "../../../protocol/files/journal-format.js";
import { journalBytesMax } from "../../../protocol/files/limits.js";
import { encodeMetaPickle } from "../../../protocol/files/meta-format.js";
import type { MemberPaths } from "../../files/data-path.js";
import { FilesError } from "../../files/files-error.js";
import { replaceMeta } from "../../files/repair.js";
import { parseAddress } from "../../net/address.js";
import type { FileSystem } from "../../storage/file-system.js";
import { type MemberFiles, memberFiles } from "../../storage/files.js";
import { emptyMeta, loadMeta } from "../../storage/meta-file.js";
import { storageFault } from "../../storage/storage-error.js";
import { forgetsTerm, patchOf } from "../software.js";
import {
  type Conversion,
  type Converted,
  convert,
  type FileChange,
  numbersOf,
  promisesText,
  type Standing,
  standingOf,
  type Workplace,
} from "./standing-files.js";

/**
 * Room behind the last record. PySyncObj doubles a full journal, and up to 0.3.15 it does so once for
 * each entry: one that still does not fit ends that member.
 */
const roomBytes = 256 * 1024;

/** The last version whose nodes connect to nothing but an address that was resolved beforehand. */
const resolvesOnceUpTo = 10;

const blankText =
  "these files hold nothing yet: the member is new, or has lost its disk, and PySyncObj would vote at once. " +
  "Nothing was changed. Let Quorate run until it has met a leader; or remove the member from the cluster, " +
  "move the files away, start PySyncObj and add it again";

/** What an export would do. Nothing is changed. */
export async function planExport(
  place: Workplace,
  member: MemberPaths,
  version: string,
): Promise<Conversion> {
  return planOf(await standingOf(place, member), version);
}

/**
 * Makes a stopped member's files such as PySyncObj itself writes, and keeps the old ones in a folder
 * beside. First they are brought into the state of a clean stop, by what a start of Quorate does.
 *
 * @throws FilesError, StorageError as `standingOf`; `locked` while a member runs.
 */
export async function exportFiles(
  place: Workplace,
  member: MemberPaths,
  version: string,
): Promise<Converted> {
  const { fs } = place;
  return await convert(place, member, {
    why: "export",
    plan: (standing) => planOf(standing, version),
    finish: async (_, { directory, address }) => {
      const files = memberFiles(directory, address);
      // The journal first: beside a meta of ours a start takes it for PySyncObj's all the same.
      await unsealJournal(fs, files.journal, version);
      await unsealMeta(fs, files);
    },
  });
}

function planOf(standing: Standing, version: string): Conversion {
  const { checked, findings } = standing;
  if (standing.plan.isNew) {
    throw new FilesError(
      "refused",
      `${checked.paths.directory}/${checked.paths.address}`,
      blankText,
    );
  }
  const stopping = findings.find(({ code }) => code === "entry-stops-pysyncobj");
  if (stopping !== undefined) {
    throw new FilesError(
      "refused",
      stopping.path,
      `${stopping.detail}: every version of PySyncObj stops there for ever. Nothing was changed. Let ` +
        "Quorate run until a compaction has removed it",
    );
  }
  const numbers = numbersOf(standing);
  const changes = [...journalChange(standing, version), ...metaChange(standing)];
  // Where anything is due a start of ours comes first, and stores them.
  const staysStored = changes.length > 0 || (checked.meta?.kind === "meta" && checked.meta.hasTerm);
  return {
    ...numbers,
    target: `PySyncObj ${version}`,
    changes,
    warnings: [
      ...lossesOf(numbers, version, staysStored),
      ...(hasNames(checked) && (patchOf(version) ?? 0) <= resolvesOnceUpTo
        ? [
            `the dump names members by host name, and PySyncObj ${version} connects to none of these: ` +
              "take a newer version, or addresses",
          ]
        : []),
    ],
  };
}

function lossesOf(
  promises: Pick<Conversion, "term" | "votedFor">,
  version: string,
  staysStored: boolean,
): string[] {
  const unsynced = `PySyncObj ${version} syncs nothing to disk, and its files have no checksums`;
  if (!forgetsTerm(version)) return [unsynced];
  return [
    `PySyncObj ${version} keeps term and vote in memory only: from its first start on the member has ` +
      `forgotten both (${promisesText(promises)}), and can vote twice in one term` +
      (staysStored ? ". In the meta file they stay, unread, for a way back" : ""),
    unsynced,
  ];
}

function journalChange({ checked, plan }: Standing, version: string): FileChange[] {
  const { journal } = checked;
  const isSealed = journal?.isSealed === true;
  if (!isSealed && !plan.rewritesJournal) return [];
  const was = isSealed ? "with Quorate's checksums" : "not joined to the dump";
  return [{ file: "journal", was, becomes: `as PySyncObj ${version} writes it` }];
}

function metaChange({ checked }: Standing): FileChange[] {
  const { meta } = checked;
  // Where PySyncObj has stored it since, keys of ours are carried along.
  const { isBlank, forgotTerm, secondTerm, termFloor, owner } =
    meta?.kind === "meta" ? meta.meta : emptyMeta;
  const hasMarks = isBlank || forgotTerm || secondTerm > 0 || termFloor > 0 || owner !== null;
  if (meta?.kind !== "meta" || (!meta.isSealed && !hasMarks)) return [];
  const was = meta.isSealed ? "Quorate's, twice, with checksums" : "with a key of Quorate's";
  return [{ file: "meta", was, becomes: "as PySyncObj writes it, term and vote in it" }];
}

function hasNames({ dump }: Standing["checked"]): boolean {
  if (dump?.kind !== "dump") return false;
  return dump.dump.members.some((member) => isIP(parseAddress(member)?.host ?? member) === 0);
}

/** The records stay where they are: no version of PySyncObj reads more of the header than their end. */
async function unsealJournal(fs: FileSystem, path: string, version: string): Promise<void> {
  try {
    const file = await fs.open(path, "update");
    try {
      const { endOffset } = parseJournalHeader(await file.read(0, journalHeaderBytes), crc32);
      await file.truncate(Math.max(sizeFor(endOffset), await file.size()));
      await file.write(encodeJournalHeader({ version, endOffset, seal: null }, crc32), 0);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw storageFault(error, path, "writing the journal's header");
  }
}

/** PySyncObj's files have sizes of 1 KiB, doubled. */
function sizeFor(endOffset: number): number {
  const needed = Math.min(endOffset + roomBytes, journalBytesMax);
  return Math.min(1024 * 2 ** Math.max(0, Math.ceil(Math.log2(needed / 1024))), journalBytesMax);
}

async function unsealMeta(fs: FileSystem, files: MemberFiles): Promise<void> {
  const loaded = await loadMeta(fs, files.meta);
  if (loaded.kind !== "meta") throw new Error(`${files.meta}: no meta file after a start`);
  const marks = {
    mustRefetch: false,
    forgotTerm: false,
    isBlank: false,
    secondTerm: 0,
    termFloor: 0,
    owner: null,
  };
  const bytes = encodeMetaPickle({ ...loaded.meta, ...marks });
  try {
    await replaceMeta(fs, files, bytes);
  } catch (error) {
    throw storageFault(error, files.meta, "writing the meta file");
  }
}
