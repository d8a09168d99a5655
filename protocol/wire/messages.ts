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

/** A candidate asks for a vote. */
export interface RequestVote {
  readonly type: "request_vote";
  /** The term that it campaigns in. */
  readonly term: number;
  /** Index of the last entry of its log. */
  readonly lastLogIndex: number;
  /** Term of that entry. */
  readonly lastLogTerm: number;
}

/** Only ever a grant: a refusal is silence. */
export interface ResponseVote {
  readonly type: "response_vote";
  /** The term that the vote is for. */
  readonly term: number;
}

/** Entries from the leader; without any it is the heartbeat. */
export interface AppendEntries {
  readonly type: "append_entries";
  /** The leader's term. */
  readonly term: number;
  /** The leader's commit index. */
  readonly commitIndex: number;
  /** Null where the sender no longer holds the entry before: the answer is then a reset. */
  readonly prevLogIdx: number | null;
  /** Term of the entry before, null where `prevLogIdx` is. */
  readonly prevLogTerm: number | null;
  /** In order, without gaps. */
  readonly entries: readonly Entry[];
}

/** A piece of one large entry: the wire's `append_entries` with a `transmission` field. */
export interface AppendChunk {
  readonly type: "append_chunk";
  /** Which piece it is: the first, one between, the last. */
  readonly transmission: "start" | "process" | "finish";
  /** Piece of the pickled tuple (command, index, term). */
  readonly data: Uint8Array;
  /** The leader's term. */
  readonly term: number;
  /** The leader's commit index. */
  readonly commitIndex: number;
  /** Index of the entry before the large one. */
  readonly prevLogIdx: number | null;
  /** Term of the entry before the large one. */
  readonly prevLogTerm: number | null;
}

/** A piece of the dump file: the wire's `append_entries` with a `serialized` field. */
export interface InstallSnapshot {
  readonly type: "install_snapshot";
  /** The leader's term. */
  readonly term: number;
  /** The leader's commit index. */
  readonly commitIndex: number;
  /** Null while the sender has no dump at hand yet: then the message is a heartbeat. */
  readonly chunk: SnapshotChunk | null;
}

/** A piece of a dump file. */
export interface SnapshotChunk {
  /** Bytes of the file, 64 KiB at most from PySyncObj; none in the last piece. */
  readonly data: Uint8Array;
  /** A new dump begins: forget the pieces before. */
  readonly isFirst: boolean;
  /** The dump is complete. */
  readonly isLast: boolean;
}

/** The follower's answer; match index = nextNodeIdx − 1 where success. Carries no term. */
export interface NextNodeIdx {
  readonly type: "next_node_idx";
  /** Index of the entry that the follower wants next. */
  readonly nextNodeIdx: number;
  /** The follower asks the leader to go on from `nextNodeIdx`. */
  readonly reset: boolean;
  /** The entries were appended. */
  readonly success: boolean;
}

/** A command for the leader to append, from a follower or an observer. */
export interface ApplyCommand {
  readonly type: "apply_command";
  /** See `decodeCommand`. */
  readonly command: Uint8Array;
  /** Absent: nobody waits for an answer. */
  readonly requestId: number | null;
}

/** The leader's answer to an {@link ApplyCommand}. */
export type ApplyCommandResponse =
  | {
      readonly type: "apply_command_response";
      /** That of the command. */
      readonly requestId: number;
      /** Index of the entry that was appended. It is not committed yet. */
      readonly logIdx: number;
      /** Term of that entry. */
      readonly logTerm: number;
    }
  | {
      readonly type: "apply_command_response";
      /** That of the command. */
      readonly requestId: number;
      /** See {@link failReason}. */
      readonly error: number;
    };

/** Leadership transfer: the receiver campaigns at once. Since PySyncObj 0.3.16. */
export interface TimeoutNow {
  readonly type: "timeout_now";
  /** The term of the leader that leaves. */
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

/** The answer to a {@link QuoratePing}. */
export interface QuoratePong {
  readonly type: "quorate_pong";
}

/** Asks whether a vote would be granted, before a campaign. */
export interface QuoratePreVote {
  readonly type: "quorate_pre_vote";
  /** The term that the sender would campaign in. */
  readonly term: number;
  /** Index of the last entry of the sender's log. */
  readonly lastLogIndex: number;
  /** Term of that entry. */
  readonly lastLogTerm: number;
}

/** The answer to a {@link QuoratePreVote}. */
export interface QuoratePreVoteAnswer {
  readonly type: "quorate_pre_vote_answer";
  /** The term of whoever answers. */
  readonly term: number;
  /** A vote would be granted. */
  readonly granted: boolean;
  /** It hears a leader, or leads. */
  readonly hearsLeader: boolean;
  /** Up to where it knows entries as committed. */
  readonly commitIndex: number;
  /** The term of that entry. */
  readonly commitTerm: number;
}

/** Upstream's FAIL_REASON (pysyncobj/config.py). */
export const failReason = {
  /** Appended. */
  success: 0,
  /** Too many commands are under way. */
  queueFull: 1,
  /** No leader is known. */
  missingLeader: 2,
  /** Another entry took the place of this one. */
  discarded: 3,
  /** The member that was asked does not lead. */
  notLeader: 4,
  /** The leader changed before it answered. */
  leaderChanged: 5,
  /** Refused, for example a second change of the members at once. */
  requestDenied: 6,
  /** It may be done or not. */
  unknownOutcome: 7,
} as const;
