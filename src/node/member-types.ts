import type { HexText, KvEntryView } from "../store/json-view.js";

/**
 * What the command line and the HTTP server know of a running member. The member itself (member.ts)
 * implements `MemberHandle`; both of them can be tested with a stand-in.
 */

/** What a member is in its term. */
export type MemberRole = "follower" | "candidate" | "leader";

/** What software a peer runs, as far as it has shown. */
export type PeerKind = "quorate" | "vanilla" | "unknown";

/** One member, as the one that was asked sees it. */
export interface MemberReport {
  /** `host:port`, its identity. */
  readonly address: string;
  /** Whether it is the one that was asked. */
  readonly self: boolean;
  /** Whether there is a link to it. */
  readonly connected: boolean;
  /** Highest log index known to be on that member; null unless this member leads. */
  readonly matchIndex: number | null;
  /** Next log index that will be sent to it; null unless this member leads. */
  readonly nextIndex: number | null;
  /** Its software version, null while it has not said. */
  readonly version: string | null;
  /** What software it runs. */
  readonly kind: PeerKind;
}

/** Why a member needs an operator's eye: docs/doctor.md says of each what it means and what to do. */
export type DegradedCode =
  | "refetching"
  | "files-damaged"
  | "committed-entries-conflict"
  | "no-space"
  | "disk-hangs"
  | "dump-failed"
  | "dump-damaged"
  | "log-too-large"
  | "data-full"
  | "data-too-large"
  | "entry-too-large"
  | "dump-too-large"
  | "tail-too-large"
  | "entry-beyond-limits"
  | "forgetful-voter"
  | "later-end"
  | "elections-in-vain";

/** Among the reasons while acknowledged state may be missing: what the member holds is not served. */
export const refetchingCode = "refetching";

/** A reason why this member needs an operator's eye. */
export interface DegradedReason {
  /** Stable, for alerts: e.g. `no-space`. */
  readonly code: DegradedCode;
  /** One sentence for an operator. */
  readonly message: string;
}

/** How a member is, at one moment. */
export interface StatusReport {
  /** This member's address, which is its identity. */
  readonly self: string;
  /** Quorate's version. */
  readonly version: string;
  /** What it is in its term. */
  readonly role: MemberRole;
  /** The leader's address, null while none is known. */
  readonly leader: string | null;
  /** Its term, as stored on disk. */
  readonly term: number;
  /** Whom this member voted for in its term. */
  readonly vote: string | null;
  /** Log index up to which it knows entries to be committed. */
  readonly commitIndex: number;
  /** Log index up to which its own state holds all entries. */
  readonly appliedIndex: number;
  /** Index of the last entry of its log. */
  readonly lastIndex: number;
  /** Term of that entry. */
  readonly lastLogTerm: number;
  /** This member first, then the others in order of address. */
  readonly members: readonly MemberReport[];
  /** How many observers are connected. */
  readonly observers: number;
  /** Milliseconds since it was started. */
  readonly uptimeMs: number;
  /** Empty: all is well. */
  readonly degraded: readonly DegradedReason[];
  /** Monotonic counts since the start, by name. */
  readonly counters: Readonly<Record<string, number>>;
}

/** One value of the replicated dictionary; times in seconds since 1970. */
export type KvEntryReport = KvEntryView<HexText>;

/** This member's own applied state, as of one moment. */
export interface KvReport {
  readonly appliedIndex: number;
  /**
   * Consistent as of the call of `kv` although it is read later, a few at a time, while the member
   * goes on applying. A null means "nothing found for a while": the reader may pause there, so that
   * a search through a million keys for few does not hold the loop. The reader calls `return` when
   * it gives up before the end.
   */
  readonly entries: IterableIterator<readonly [key: string, entry: KvEntryReport] | null>;
}

/** Why a member is no longer running. */
export type StopReason =
  | { readonly kind: "stopped" }
  | {
      readonly kind: "failed";
      /** What ended it. */
      readonly error: Error;
    };

export interface MemberHandle {
  /** Hands leadership over where it can, leaves the files as upstream wants them. Idempotent. */
  stop(): Promise<void>;
  status(): StatusReport;
  /** The entries whose key starts with `prefix`; the empty prefix means all. */
  kv(prefix: string): KvReport;
  /** Resolves once, never rejects. */
  readonly stopped: Promise<StopReason>;
}
