import type { LoadedDump } from "../../../protocol/files/dump-format.js";
import { commandType, decodeCommand } from "../../../protocol/log/commands.js";
import type { Entry } from "../../../protocol/log/entry.js";
import type { MemberPaths } from "../../files/data-path.js";
import { FilesError } from "../../files/files-error.js";
import { parseAddress } from "../../net/address.js";
import { raftLimits } from "../../raft/limits.js";
import type { Recovered } from "../../storage/recovered.js";
import type { Room } from "./room.js";

/**
 * Added to the highest term that the survivor knows: the others may have held elections that it never
 * heard of. Whoever of them is added again with its old files must not come with a higher term.
 */
export const forcedTermStep = 1000;

/** What forceNewCluster would make of the files as they are. */
export interface ForcedPlan {
  readonly address: string;
  readonly term: number;
  readonly newTerm: number;
  /** The last entry that a start finds: what stands behind damage does not count. */
  readonly lastIndex: number;
  /** Of that entry, by which survivors are compared: the stored term may be that of an election that was only heard of. */
  readonly lastTerm: number;
  /** As the meta file has it, also where the log ends before it; null: it is not stored. */
  readonly commitIndex: number | null;
  /** The last entry in the journal, where it stands behind a gap and is lost with the rest; else null. */
  readonly unusedUpTo: number | null;
  readonly keys: number;
  /** All others that dump and journal name, and the record of a recovery that was not finished. */
  readonly formerMembers: readonly string[];
  /**
   * There is a sound dump, and nothing is missing: they name all members. A log alone does not know those of
   * the first start, and what is missing may have named another.
   */
  readonly knowsAll: boolean;
  /** What is wrong with the files, in words. */
  readonly findings: readonly string[];
  /** On the disk; null: not looked at. */
  readonly room: Room | null;
  /** Why nothing would be done; null: it would. */
  readonly refusal: string | null;
}

/** A dump names its member by host and port: better told before anything is changed. */
export function checkAddress({ directory, address }: MemberPaths): void {
  if (parseAddress(address) !== null) return;
  throw new FilesError(
    "refused",
    `${directory}/${address}`,
    "the files are not named after a member's address (host:port): give them their member's name " +
      "back, <self_addr>.journal, <self_addr>.journal.meta, <self_addr>.dump. Nothing was changed",
  );
}

/** Why files with these findings are not to be used; null where they may be. */
export function refusalOf(
  { mustRefetch, findings }: Pick<Recovered, "mustRefetch" | "findings">,
  acceptsIncomplete: boolean,
): string | null {
  if (!mustRefetch || acceptsIncomplete) return null;
  const what = findings.filter(({ kind }) => kind === "lost").map(({ message }) => message);
  return (
    `acknowledged entries may be missing here (${what.join("; ")}). Look for another survivor, ` +
    "whose files are whole. Where there is none: the same with --accept-incomplete. Nothing was changed"
  );
}

/** Why there can be no further elections behind that term; null where there can. */
export function termsUsedUp(newTerm: number): string | null {
  if (newTerm < raftLimits.termMax) return null;
  return (
    `term ${newTerm} would be beyond all that a member takes: somebody has forged terms. Restore a backup into empty ` +
    "directories (quorate restore --help). Nothing was changed"
  );
}

/** A removal that is not known to be committed may never have been one. */
export function membersNamed(
  dump: LoadedDump | null,
  entries: readonly Entry[],
  commitIndex: number,
): Set<string> {
  const members = new Set(dump?.members ?? []);
  for (const { index, command } of entries) {
    if (index <= (dump?.last.index ?? 1)) continue;
    const decoded = clusterChangeIn(command);
    if (decoded?.kind !== "membership") continue;
    if (decoded.change === "add") members.add(decoded.address);
    else if (index <= commitIndex) members.delete(decoded.address);
  }
  return members;
}

/** What a command changes of members and code version; null of all others, and where nobody can decode it. */
export function clusterChangeIn(command: Uint8Array) {
  const [type] = command;
  if (type !== commandType.membership && type !== commandType.version) return null;
  try {
    return decodeCommand(command);
  } catch {
    return null;
  }
}
