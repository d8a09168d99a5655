import type { Entry } from "../log/entry.js";

/**
 * The messages between members, and between a member and an observer, as a tagged union. Decoding
 * and encoding are in message-codec.ts. Field names are upstream's in camel case; `SyncObj.__onMessageReceived`
 * in pysyncobj/syncobj.py shows each.
 */
export type PeerMessage =
  | RequestVote
  | ResponseVote
  | AppendEntries
  | AppendChunk
  | InstallSnapshot
  | NextNodeIdx
  | ApplyCommand
  | ApplyCommandResponse
  | TimeoutNow
  | QuorateMessage;

export interface RequestVote {
  readonly type: "request_vote";
  readonly term: number;
  readonly lastLogIndex: number;
  readonly lastLogTerm: number;
}

/** Only ever a grant: a refusal is silence. */
export interface ResponseVote {
  readonly type: "response_vote";
  readonly term: number;
}

export interface AppendEntries {
  readonly type: "append_entries";
  readonly term: number;
  readonly commitIndex: number;
  /** Null where the sender no longer holds the entry before: the answer is then a reset. */
  readonly prevLogIdx: number | null;
  readonly prevLogTerm: number | null;
  readonly entries: readonly Entry[];
}

/** A piece of one large entry: the wire's `append_entries` with a `transmission` field. */
export interface AppendChunk {
  readonly type: "append_chunk";
  readonly transmission: "start" | "process" | "finish";
  /** Piece of the pickled tuple (command, index, term). */
  readonly data: Uint8Array;
  readonly term: number;
  readonly commitIndex: number;
  readonly prevLogIdx: number | null;
  readonly prevLogTerm: number | null;
}

/** A piece of the dump file: the wire's `append_entries` with a `serialized` field. */
export interface InstallSnapshot {
  readonly type: "install_snapshot";
  readonly term: number;
  readonly commitIndex: number;
  /** Null while the sender has no dump at hand yet: then the message is a heartbeat. */
  readonly chunk: SnapshotChunk | null;
}

export interface SnapshotChunk {
  readonly data: Uint8Array;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

/** The follower's answer; match index = nextNodeIdx − 1 where success. Carries no term. */
export interface NextNodeIdx {
  readonly type: "next_node_idx";
  readonly nextNodeIdx: number;
  readonly reset: boolean;
  readonly success: boolean;
}

export interface ApplyCommand {
  readonly type: "apply_command";
  readonly command: Uint8Array;
  /** Absent: nobody waits for an answer. */
  readonly requestId: number | null;
}

export type ApplyCommandResponse =
  | {
      readonly type: "apply_command_response";
      readonly requestId: number;
      readonly logIdx: number;
      readonly logTerm: number;
    }
  | {
      readonly type: "apply_command_response";
      readonly requestId: number;
      readonly error: number;
    };

/** Leadership transfer: the receiver campaigns at once. Since PySyncObj 0.3.16. */
export interface TimeoutNow {
  readonly type: "timeout_now";
  readonly term: number;
}

/** What only Quorate members say to each other; a vanilla member ignores these types. */
export type QuorateMessage =
  | QuorateHello
  | QuoratePing
  | QuoratePong
  | QuoratePreVote
  | QuoratePreVoteAnswer;

/** First message of a Quorate member on each new link. */
export interface QuorateHello {
  readonly type: "quorate_hello";
  /** Version of the messages between Quorate members, from 1. */
  readonly protocol: number;
  /** Software version, e.g. `0.1.0`. */
  readonly version: string;
}

/** Keeps a link from looking silent; a Quorate member answers with a pong. */
export interface QuoratePing {
  readonly type: "quorate_ping";
}

export interface QuoratePong {
  readonly type: "quorate_pong";
}

export interface QuoratePreVote {
  readonly type: "quorate_pre_vote";
  /** The term that the sender would campaign in. */
  readonly term: number;
  readonly lastLogIndex: number;
  readonly lastLogTerm: number;
}

export interface QuoratePreVoteAnswer {
  readonly type: "quorate_pre_vote_answer";
  readonly term: number;
  readonly granted: boolean;
}

/** Upstream's FAIL_REASON (pysyncobj/config.py). */
export const failReason = {
  success: 0,
  queueFull: 1,
  missingLeader: 2,
  discarded: 3,
  notLeader: 4,
  leaderChanged: 5,
  requestDenied: 6,
  unknownOutcome: 7,
} as const;
