import type { MemberStatus } from "../../protocol/wire/utility.js";

/** What a crash or a restart does to a member's word, by its software. */
export type Durability =
  /** Term and vote are in memory only: PySyncObj up to 0.3.15. */
  | "forgets"
  /** Term and vote are stored, but nothing is synced to disk: PySyncObj 0.3.16 and 0.3.17. */
  | "unsynced"
  | "durable"
  /** A version that nobody has looked at. */
  | "unknown";

export interface Software {
  readonly kind: "quorate" | "pysyncobj";
  /** E.g. `0.3.17`; empty where the member does not tell. */
  readonly version: string;
  /** E.g. `Quorate 0.1.0` or `PySyncObj 0.3.17`. */
  readonly name: string;
  readonly durability: Durability;
  /** Whether it can hand leadership over on request; an unknown version may. */
  readonly knowsTransfer: boolean;
}

/** The key beside upstream's in which a Quorate member tells its own version. */
const quorateVersionKey = "quorate_version";

/** The key in which it tells what stands against it, as codes. */
const degradedKey = "quorate_degraded";

const firstLookedAt = 8;
const lastThatForgets = 15;
const lastLookedAt = 17;

export function softwareOf(status: MemberStatus): Software {
  const quorate = status.extra.get(quorateVersionKey);
  if (typeof quorate === "string") {
    return {
      kind: "quorate",
      version: quorate,
      name: `Quorate ${quorate}`,
      durability: "durable",
      knowsTransfer: true,
    };
  }
  const patch = patchOf(status.version);
  return {
    kind: "pysyncobj",
    version: status.version,
    name: `PySyncObj ${status.version || "(unknown)"}`,
    durability: durabilityOf(patch),
    // It came with 0.3.16.
    knowsTransfer: patch === null || patch > lastThatForgets,
  };
}

/** What a Quorate member says against itself; null where the member tells nothing of the kind. */
export function toldDegraded(status: MemberStatus): readonly string[] | null {
  const codes = status.extra.get(degradedKey);
  return Array.isArray(codes) ? codes.map(String) : null;
}

function durabilityOf(patch: number | null): Durability {
  if (patch === null || patch > lastLookedAt) return "unknown";
  return patch > lastThatForgets ? "unsynced" : "forgets";
}

/** Whether this version of PySyncObj keeps term and vote in memory only. */
export function forgetsTerm(version: string): boolean {
  return durabilityOf(patchOf(version)) === "forgets";
}

/** Whether somebody has looked at what this version of PySyncObj makes of files. */
export function isKnownVersion(version: string): boolean {
  const patch = patchOf(version);
  return patch !== null && patch >= firstLookedAt && patch <= lastLookedAt;
}

/** The last number of `0.3.n`; null for all other versions. */
export function patchOf(version: string): number | null {
  const patch = /^0\.3\.(\d+)$/.exec(version)?.[1];
  return patch === undefined ? null : Number(patch);
}
