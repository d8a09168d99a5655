import type { MemberPaths } from "../../files/data-path.js";
import { forgetsTerm } from "../software.js";
import {
  type Conversion,
  type Converted,
  convert,
  type FileChange,
  has,
  numbersOf,
  promisesText,
  type Standing,
  standingOf,
  type Workplace,
} from "./standing-files.js";

/** What an import would do. Nothing is changed. */
export async function planImport(place: Workplace, member: MemberPaths): Promise<Conversion> {
  return planOf(await standingOf(place, member));
}

/**
 * Makes a stopped member's files those of Quorate: exactly what its first start on them would make, and
 * the old ones in a folder beside.
 *
 * @throws FilesError, StorageError as `standingOf`; `locked` while a member runs.
 */
export async function importFiles(place: Workplace, member: MemberPaths): Promise<Converted> {
  return await convert(place, member, { why: "import", plan: planOf, finish: async () => {} });
}

function planOf(standing: Standing): Conversion {
  const { checked, findings } = standing;
  const meta = checked.meta?.kind === "meta" ? checked.meta : null;
  const warnings: string[] = [];
  if (meta === null || !meta.hasTerm) warnings.push(lostVoteText(standing));
  if (has(findings, "term-dip")) {
    warnings.push(
      "the log's terms go down in places: PySyncObj up to 0.3.15 has forgotten its term. `quorate doctor` " +
        "compares the members, and should do so before any of them is changed",
    );
  }
  const stopping = findings.find(({ code }) => code === "entry-stops-pysyncobj");
  if (stopping !== undefined) {
    warnings.push(
      `${stopping.detail}: Quorate passes over it, and its checksums will cover it as it is. Where the other ` +
        "members hold another entry there this file is damaged: `quorate doctor` compares them, and should do " +
        "so first",
    );
  }
  return {
    ...numbersOf(standing),
    target: "Quorate",
    changes: [...journalChange(standing), ...metaChange(standing)],
    warnings,
  };
}

function lostVoteText({ checked: { journal, meta } }: Standing): string {
  // Whoever has begun these files would have stored a vote; with more than the first entry it was refused.
  if (meta === null && journal !== null && !forgetsTerm(journal.version)) {
    return (
      `there is no meta file. PySyncObj ${journal.version}, which has made the journal, stores one before it ` +
      "votes: this member has never voted, or somebody has taken the file away"
    );
  }
  return (
    "what this member has voted last is in no file: PySyncObj up to 0.3.15 keeps it in memory only. " +
    "From now on it is stored before it is told"
  );
}

function journalChange({ checked, plan }: Standing): FileChange[] {
  const { journal } = checked;
  const isOurs =
    journal?.isSealed === true &&
    journal.verdict?.cause === null &&
    journal.verdict.proven === "all" &&
    !plan.rewritesJournal;
  if (isOurs) return [];
  const [first] = plan.entries;
  const range = `entries ${first?.index ?? 1} to ${plan.entries.at(-1)?.index ?? 1}`;
  return [
    {
      file: "journal",
      was: journal === null ? "missing" : journalText(journal),
      becomes: `${range}, with checksums`,
    },
  ];
}

function journalText({ isSealed, verdict }: NonNullable<Standing["checked"]["journal"]>): string {
  if (!isSealed) return "PySyncObj's, without checksums";
  return verdict?.remark ?? "Quorate's checksums cover a part of it, or it does not fit the dump";
}

function metaChange({ checked, plan }: Standing): FileChange[] {
  const { meta } = checked;
  const isOurs =
    meta?.kind === "meta" &&
    meta.isSealed &&
    !meta.isRepaired &&
    meta.meta.owner === checked.paths.address &&
    meta.meta.term === plan.term;
  if (isOurs) return [];
  const written = meta?.kind === "meta" ? `written by ${meta.writer}` : "missing";
  const forgets = meta?.kind === "meta" && !meta.hasTerm ? ", without term and vote" : "";
  const isStored = meta?.kind === "meta" && meta.meta.term === plan.term;
  const source = isStored ? "" : ", the highest of any entry";
  return [
    {
      file: "meta",
      was: `${written}${forgets}`,
      becomes: `${promisesText(plan, source)}, commit index ${plan.commitIndex}`,
    },
  ];
}
