import type { Entry } from "../../protocol/log/entry.js";
import type { PeerMessage, SnapshotChunk } from "../../protocol/wire/messages.js";

export type Role = "follower" | "candidate" | "leader";

/** The rules for living with members that forget (see guards/). Each can be switched off for proof. */
export const guardNames = [
  "vote-guard",
  "covered-vote",
  "covered-claim",
  "candidate-guard",
  "term-beacon",
  "look-before-truncate",
  "forgetful-voters",
  "forgotten-term",
] as const;

export type GuardName = (typeof guardNames)[number];

export interface RaftConfig {
  /** This member's address, `host:port`. */
  readonly selfId: string;
  readonly electionTimeoutMsMin: number;
  readonly electionTimeoutMsMax: number;
  /** Period of the leader's heartbeats (upstream: appendEntriesPeriod). */
  readonly heartbeatMs: number;
  /** A leader that hears no majority for so long steps down (upstream: leaderFallbackTimeout). */
  readonly leaderFallbackMs: number;
  /** What to do when a leader demands that committed entries go. */
  readonly onConflict: "keep" | "halt";
  /** A leader's entry with a larger command is not taken, nor proposed as the leader; raftLimits' where absent. */
  readonly entryBytesMax?: number;
  /** Most data that is held: of what is not committed no more than that is taken either. */
  readonly dataBytesMax?: number;
  /** Bytes that the log may come to; raftLimits' where absent. */
  readonly logBytesMax?: number;
  /**
   * A new commit index is told when the input `turn-ended` comes, with whatever else is sent then, and
   * not at once. To be asked for with `RaftState.owesCommit`.
   */
  readonly tellsAtTurnEnd?: boolean;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly guardsOff?: ReadonlySet<GuardName>;
}

/** What the disk held at start. */
export interface InitialState {
  readonly term: number;
  readonly votedFor: string | null;
  readonly commitIndex: number;
  /** Index of the last entry whose effects the store already holds (the dump's last, or 1). */
  readonly appliedIndex: number;
  /** Contiguous, never empty. */
  readonly entries: readonly Entry[];
  /** The other members, as the dump or the configuration names them, before the log's own changes. */
  readonly members: readonly string[];
  /** Addresses that a running member counts among the members, and our files do not. */
  readonly guests?: readonly string[];
  /** Acknowledged entries may be missing: no vote and no campaign until a leader has caught us up. */
  readonly mustRefetch: boolean;
  /** Nor do we know up to which term we took part: we follow nobody before others have told theirs. */
  readonly forgotTerm?: boolean;
  /** The members did not count us among them when we asked: what we had confirmed before is no matter. */
  readonly isJoining?: boolean;
  /** `members` is what a running member told, and not what the dump or the configuration names. */
  readonly areMembersTold?: boolean;
  /** Terms up to here may have been led twice. */
  readonly secondTerm?: number;
  /** In terms up to here we may have voted without knowing it. */
  readonly termFloor?: number;
  /** There were no files at all: a new member, or one that has lost its disk. */
  readonly isNew?: boolean;
}

/** What a peer said of itself when asked for `['status']`. */
export interface PeerStatus {
  readonly version: string;
  readonly term: number;
  readonly commitIndex: number;
  readonly lastApplied: number;
  readonly logLength: number;
  readonly leader: string | null;
  /** All others that it knows, those included whose removal is not committed yet. */
  readonly partners?: readonly string[];
  /** Index and term of its last entry; Quorate's members tell them. */
  readonly lastIndex?: number;
  readonly lastTerm?: number;
  /** Of the entry at its commit index; Quorate's members tell it. */
  readonly commitTerm?: number;
  /** It says that it may have lost some of what it had confirmed. */
  readonly mayLack?: boolean;
}

/** Who waits for the outcome of a proposal. */
export type ProposalOrigin =
  | { readonly kind: "local"; readonly id: number }
  | { readonly kind: "remote"; readonly from: string; readonly requestId: number }
  | { readonly kind: "nobody" };

export interface Proposal {
  readonly command: Uint8Array;
  readonly origin: ProposalOrigin;
}

/** What the core needs to know of a dump: the rest stays with the runtime. */
export interface SnapshotSummary {
  readonly previous: Entry;
  readonly last: Entry;
  /** All members, self included. */
  readonly members: readonly string[];
}

export type Input =
  | { readonly kind: "tick" }
  | { readonly kind: "message"; readonly from: string; readonly message: PeerMessage }
  | { readonly kind: "connected"; readonly peer: string }
  | { readonly kind: "disconnected"; readonly peer: string }
  | { readonly kind: "observer-connected"; readonly id: string }
  | { readonly kind: "observer-disconnected"; readonly id: string }
  /** The peer said quorate_hello on its present link. */
  | { readonly kind: "peer-is-quorate"; readonly peer: string }
  /** Answer to the `ask-status` of this number; null where none came. */
  | {
      readonly kind: "peer-status";
      readonly peer: string;
      readonly question: number;
      readonly status: PeerStatus | null;
    }
  /** All writes up to this sequence number are durable. */
  | { readonly kind: "durable"; readonly seq: number }
  /** The store holds the effects of all entries up to this index. */
  | { readonly kind: "applied"; readonly index: number }
  | { readonly kind: "propose"; readonly proposals: readonly Proposal[] }
  /** All that came in one turn of the loop has been given in. */
  | { readonly kind: "turn-ended" }
  /** A dump of ours is durable: the log may drop everything before `previousIndex`. */
  | { readonly kind: "dump-written"; readonly previousIndex: number }
  | { readonly kind: "snapshot-sent"; readonly to: string; readonly lastIndex: number }
  | { readonly kind: "snapshot-not-sent"; readonly to: string }
  | {
      readonly kind: "snapshot-received";
      readonly from: string;
      readonly term: number;
      readonly summary: SnapshotSummary;
    }
  /** A member has sent more in one message than this one reads; whoever leads is meant. */
  | { readonly kind: "message-too-large"; readonly from: string }
  /** A leader's dump is given up: it holds more than the member takes. */
  | {
      readonly kind: "snapshot-refused";
      readonly from: string;
      readonly term: number;
      readonly bytesMax: number;
      /** What of it is beyond a bound that no setting moves; null: it is too much in all. */
      readonly fixed: string | null;
    }
  | { readonly kind: "transfer"; readonly target: string | null; readonly id: number }
  /** Members as another member has them, which counts us among them. */
  | { readonly kind: "told-members"; readonly members: readonly string[] }
  /** The disk refuses writes (or takes them again): no leadership without a disk. */
  | { readonly kind: "disk"; readonly usable: boolean }
  /** What is committed is not applied from here on, or is again: no leadership over a store that stands still. */
  | { readonly kind: "held-back"; readonly isHeldBack: boolean };

export type ProposalOutcome =
  | { readonly appended: true; readonly index: number; readonly term: number }
  | { readonly appended: false; readonly error: number };

/** Effects are carried out in order; `after` and `seq` say what must be durable first. */
export type Effect =
  | { readonly kind: "append"; readonly seq: number; readonly entries: readonly Entry[] }
  | { readonly kind: "truncate"; readonly seq: number; readonly fromIndex: number }
  | {
      readonly kind: "meta";
      readonly seq: number;
      readonly term: number;
      readonly votedFor: string | null;
    }
  | { readonly kind: "compact"; readonly seq: number; readonly keepFrom: number }
  /** Whether acknowledged state may be missing here, and the term: kept on disk, a restart must not forget it. */
  | {
      readonly kind: "must-refetch";
      readonly seq: number;
      readonly missing: boolean;
      readonly forgotTerm: boolean;
    }
  /** Terms up to this one may have been led twice: kept on disk, for a restart does not see it again. */
  | { readonly kind: "second-term"; readonly seq: number; readonly term: number }
  /** The received dump replaces store and journal; `keep` follows it. */
  | { readonly kind: "install"; readonly seq: number; readonly keep: readonly Entry[] }
  /** The received dump is of no use to us. */
  | { readonly kind: "discard-snapshot" }
  | {
      readonly kind: "send";
      readonly to: readonly string[];
      readonly message: PeerMessage;
      /** Leaves only after the write of this sequence number is durable; 0: at once. */
      readonly after: number;
    }
  | { readonly kind: "apply"; readonly entries: readonly Entry[] }
  /** Rebuild the store from the dump and the log's entries up to this index, then apply goes on. */
  | { readonly kind: "rebuild"; readonly entries: readonly Entry[] }
  /**
   * Only after the log's writes so far are durable: a commit index ahead of a truncation on disk
   * would vouch, after a crash, for the entries that were to go.
   */
  | { readonly kind: "save-commit"; readonly index: number; readonly after: number }
  | { readonly kind: "ask-status"; readonly peer: string; readonly question: number }
  | { readonly kind: "send-snapshot"; readonly to: string }
  | { readonly kind: "cancel-snapshot"; readonly to: string }
  | {
      readonly kind: "snapshot-chunk";
      readonly from: string;
      readonly term: number;
      readonly chunk: SnapshotChunk;
    }
  | {
      readonly kind: "leadership";
      readonly role: Role;
      readonly leader: string | null;
      readonly term: number;
    }
  | {
      readonly kind: "members";
      readonly members: readonly string[];
      /** Who is heard, but does not count: links are kept with them as well. */
      readonly guests: readonly string[];
    }
  /** Outcome of a local proposal or of a transfer asked for here; leaves after `after` is durable. */
  | {
      readonly kind: "answer";
      readonly id: number;
      readonly outcome: ProposalOutcome;
      readonly after: number;
    }
  /**
   * Committed entries are about to go, on a leader's demand: they must be kept beside first, and with
   * them the dump where the leader's will take its place.
   */
  | {
      readonly kind: "conflict";
      readonly seq: number;
      readonly entries: readonly Entry[];
      readonly withDump: boolean;
      readonly leader: string;
    }
  | { readonly kind: "halt"; readonly reason: string }
  | { readonly kind: "note"; readonly note: Note };

/** Something that an operator should read. */
export interface Note {
  readonly level: "error" | "warn" | "info" | "debug";
  /** Stable, kebab-case: the counter's name too. */
  readonly code: string;
  readonly text: string;
}
