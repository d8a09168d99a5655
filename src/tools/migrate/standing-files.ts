import { systemClock } from "../../clock.js";
import { type CheckedFiles, checkFiles, findingsOf } from "../../files/checked-files.js";
import { type MemberPaths, membersIn } from "../../files/data-path.js";
import { FilesError } from "../../files/files-error.js";
import { underLock } from "../../files/under-lock.js";
import type { VerifyFinding } from "../../files/verify-findings.js";
import { nodeCompression } from "../../storage/compression.js";
import { memberFiles } from "../../storage/files.js";
import { type OpenContext, openFiles, readFiles } from "../../storage/open-files.js";
import type { RecoveryPlan } from "../../storage/recovery.js";
import { copyAside, type Workplace } from "../recover/aside-folder.js";

export type { Workplace };

/** A stopped member's files, and what a start of Quorate makes of them. */
export interface Standing {
  readonly checked: CheckedFiles;
  readonly findings: readonly VerifyFinding[];
  readonly plan: RecoveryPlan;
}

/** One file that is not as it should be on the other side. */
export interface FileChange {
  readonly file: "journal" | "meta";
  readonly was: string;
  readonly becomes: string;
}

/** What is to be done to a member's files, or was done. */
export interface Conversion {
  readonly address: string;
  readonly directory: string;
  /** Of which program the files will be, e.g. `Quorate` or `PySyncObj 0.3.15`. */
  readonly target: string;
  /** Empty: nothing is due. */
  readonly changes: readonly FileChange[];
  readonly term: number;
  readonly votedFor: string | null;
  readonly commitIndex: number;
  readonly lastIndex: number;
  /** What is to be known before: sentences without a full stop at the end. */
  readonly warnings: readonly string[];
}

export interface Converted extends Conversion {
  /** The folder in which the files are as they were; null: nothing was due, and nothing was changed. */
  readonly setAsideTo: string | null;
}

/**
 * Reads the files as a start does, and changes nothing.
 *
 * @throws FilesError `refused` where something acknowledged may be missing: a conversion would hide it.
 * @throws StorageError where they cannot be read, are another member's, or hold numbers beyond belief.
 */
export async function standingOf(place: Workplace, member: MemberPaths): Promise<Standing> {
  const checked = await checkFiles(place.fs, member, place.watch);
  const findings = findingsOf(checked, false);
  const { plan } = await readFiles(contextOf(place, member));
  const damage = findings.filter(({ severity }) => severity === "damage");
  const seen = damage.map(({ code, detail }) => `${code} (${detail})`);
  if (seen.length === 0 && plan.mustRefetch) {
    seen.push(...plan.findings.flatMap(({ kind, message }) => (kind === "lost" ? [message] : [])));
  }
  if (seen.length > 0) throw new FilesError("refused", baseOf(member), damageText(seen));
  return { checked, findings, plan };
}

/** Plans under the lock, and where something is due copies the files aside and does it. */
export async function convert(
  place: Workplace,
  member: MemberPaths,
  steps: {
    readonly why: string;
    readonly plan: (standing: Standing) => Conversion;
    /** Runs when the files stand as after a start and a clean stop of Quorate. */
    readonly finish: (conversion: Conversion, member: MemberPaths) => Promise<void>;
  },
): Promise<Converted> {
  return await underLock(place.fs, member, async () => {
    // The names as they are now that nobody else changes them.
    const names = await place.fs.list(member.directory);
    const current = membersIn(member.directory, names).find(
      ({ address }) => address === member.address,
    );
    const conversion = steps.plan(await standingOf(place, current ?? member));
    if (conversion.changes.length === 0) return { ...conversion, setAsideTo: null };
    const setAsideTo = await copyAside(place, current ?? member, steps.why);
    const { journal } = await openFiles(contextOf(place, member));
    try {
      // As at a clean stop.
      await journal.leaveRoom();
      await journal.sync();
    } finally {
      await journal.close();
    }
    await steps.finish(conversion, member);
    return { ...conversion, setAsideTo };
  });
}

export function has(findings: readonly VerifyFinding[], code: VerifyFinding["code"]): boolean {
  return findings.some((each) => each.code === code);
}

/** `term 7, vote for 10.0.0.1:2222`. */
export function promisesText(
  { term, votedFor }: Pick<Conversion, "term" | "votedFor">,
  ofTerm = "",
): string {
  return `term ${term}${ofTerm}, ${votedFor === null ? "no vote" : `vote for ${votedFor}`}`;
}

/** Where and how far the log goes that the files hold. */
export function numbersOf({ plan, checked: { paths } }: Standing) {
  const { term, votedFor, commitIndex } = plan;
  const { address, directory } = paths;
  const lastIndex = plan.entries.at(-1)?.index ?? 1;
  return { address, directory, term, votedFor, commitIndex, lastIndex };
}

function contextOf({ fs, now }: Workplace, { directory, address }: MemberPaths): OpenContext {
  const tools = { clock: systemClock, compression: nodeCompression };
  return { fs, files: memberFiles(directory, address), now: () => now, tools };
}

function baseOf({ directory, address }: MemberPaths): string {
  return `${directory}/${address}`;
}

function damageText(seen: readonly string[]): string {
  return (
    `something acknowledged may be missing: ${seen.join("; ")}. Nothing was changed. \`quorate verify\` ` +
    "says what it means, `quorate repair` mends what can be mended safely. Or let Quorate start on the " +
    "files as they are, with a leader in reach: it neither votes nor leads before it is complete again"
  );
}
