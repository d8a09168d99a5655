import type { PyValue } from "../../protocol/pickle/values.js";
import { type ApplyCommandResponse, failReason } from "../../protocol/wire/messages.js";

/**
 * Why a write is not known to be done: upstream's FAIL_REASON by name (pysyncobj/config.py), and two
 * that only the caller's own side knows of.
 */
export type WriteFault =
  | "QUEUE_FULL"
  | "MISSING_LEADER"
  | "DISCARDED"
  | "NOT_LEADER"
  | "LEADER_CHANGED"
  | "REQUEST_DENIED"
  | "UNKNOWN_OUTCOME"
  /** The caller's time was over. */
  | "TIMEOUT"
  /** The client or member was closed. */
  | "CLOSED";

/** A write that is not known to be done. */
export interface WriteFailure {
  /** Tells it from a {@link WriteSuccess}. */
  readonly ok: false;
  /** Why, by name. */
  readonly reason: WriteFault;
  /** Upstream's number of the reason; what it has none for counts as UNKNOWN_OUTCOME. */
  readonly error: number;
  /**
   * True: the write may be in the log, or come into it later. False: it is not done, and never will
   * be, so that it can be tried again without being done twice.
   */
  readonly mayBeDone: boolean;
  /** One sentence for a human. */
  readonly message: string;
}

/** A write that is committed, and applied to the copy of whoever made it. */
export interface WriteSuccess<T> {
  /** Tells it from a {@link WriteFailure}. */
  readonly ok: true;
  /** Upstream's number for success, 0. */
  readonly error: typeof failReason.success;
  /** What the replicated method returned; for conditions that do not hold: false. */
  readonly result: T;
  /** Index of the write's entry in the log. */
  readonly index: number;
  /** Term of that entry. */
  readonly term: number;
}

/**
 * How a write ended. Success means that the entry is committed, and applied to the copy of whoever
 * submitted it.
 */
export type WriteOutcome<T = PyValue> = WriteSuccess<T> | WriteFailure;

export type OutcomeCallback = (outcome: WriteOutcome) => void;

interface Meaning {
  readonly mayBeDone: boolean;
  readonly message: string;
}

const notDone = (message: string): Meaning => ({ mayBeDone: false, message });
const unknown = (message: string): Meaning => ({ mayBeDone: true, message });

const meanings: Readonly<Record<WriteFault, Meaning>> = {
  QUEUE_FULL: notDone("too many writes are under way"),
  MISSING_LEADER: notDone("no leader is known"),
  DISCARDED: notDone("another entry took the place of this one in the log"),
  NOT_LEADER: notDone("the member that was asked leads no more"),
  LEADER_CHANGED: unknown("the leader was lost before it answered"),
  REQUEST_DENIED: notDone("refused"),
  UNKNOWN_OUTCOME: unknown("the place in the log was passed before the answer came"),
  TIMEOUT: unknown("no answer in time"),
  CLOSED: unknown("closed before the answer came"),
};

const codes: Readonly<Record<WriteFault, number>> = {
  QUEUE_FULL: failReason.queueFull,
  MISSING_LEADER: failReason.missingLeader,
  DISCARDED: failReason.discarded,
  NOT_LEADER: failReason.notLeader,
  LEADER_CHANGED: failReason.leaderChanged,
  REQUEST_DENIED: failReason.requestDenied,
  UNKNOWN_OUTCOME: failReason.unknownOutcome,
  TIMEOUT: failReason.unknownOutcome,
  CLOSED: failReason.unknownOutcome,
};

/** @param message In the place of the general one. */
export function writeFailure(reason: WriteFault, message?: string): WriteFailure {
  const meaning = meanings[reason];
  return {
    ok: false,
    reason,
    error: codes[reason],
    mayBeDone: meaning.mayBeDone,
    message: message ?? meaning.message,
  };
}

/** For what was never sent: whatever the reason, it is not done. */
export function notSent(reason: WriteFault, message?: string): WriteFailure {
  return { ...writeFailure(reason, message), mayBeDone: false };
}

/** Those that a leader can answer, each with a number of its own. */
const faults: readonly WriteFault[] = [
  ...(["QUEUE_FULL", "MISSING_LEADER", "DISCARDED", "NOT_LEADER"] as const),
  ...(["LEADER_CHANGED", "REQUEST_DENIED", "UNKNOWN_OUTCOME"] as const),
];

/** A leader's `error`; a number that upstream does not have says nothing of the outcome. */
export function failureOf(code: number): WriteFailure {
  const reason = faults.find((fault) => codes[fault] === code);
  return reason === undefined
    ? writeFailure("UNKNOWN_OUTCOME", `the leader answered with an unknown error, ${code}`)
    : writeFailure(reason);
}

/** Where the leader has put a command, or why it has not. */
export function answerOf(
  message: ApplyCommandResponse,
): { readonly index: number; readonly term: number } | WriteFailure {
  if ("error" in message) return failureOf(message.error);
  return { index: message.logIdx, term: message.logTerm };
}
