import type { Entry } from "../../protocol/log/entry.js";
import { raftLimits } from "./limits.js";
import { heldBytes } from "./raft-log.js";
import type { RaftState } from "./state.js";

/** What a leader has that this member does not take. */
export type RefusedKind = "entry" | "dump" | "tail" | "log";

/** What is known of it: whose it is, what comes first of what is missing because of it. */
export interface Refused {
  readonly what: RefusedKind;
  readonly leader: string;
  readonly term: number;
  readonly index: number;
  /** The bound that it is beyond. */
  readonly bytesMax: number;
  /** When its leader is told again where our log ends. */
  readonly dueMs: number;
  /** It has been told, and what it sends now is taken. */
  readonly isAsked: boolean;
}

type RefusedPart = Pick<Refused, "what" | "leader" | "index" | "bytesMax">;

/**
 * An entry of a leader's log that is larger than this member takes: without it there is none of what comes
 * behind, until the leader sends a dump. The member stays where it is, and says so.
 */
export function refuseTooLarge(state: RaftState, leader: string, index: number): void {
  refuse(state, { what: "entry", leader, index, bytesMax: state.entryBytesMax });
}

/** A leader's dump holds more than this member takes. It stays where it is, and says so. */
export function onSnapshotRefused(
  state: RaftState,
  from: string,
  term: number,
  bytesMax: number,
): void {
  const refused = { what: "dump", leader: from, index: state.log.lastIndex + 1, bytesMax } as const;
  if (term === state.term && state.leader === from) refuse(state, refused);
  // It leads no more: nothing is missing because of it.
  else state.note("error", refusedCode("dump"), tooLargeText(refused));
}

/** Whether these entries, with what is not committed before them, are more than we hold for any leader. */
export function isTooMuch(
  state: RaftState,
  entries: readonly Entry[],
  toldCommitIndex: number,
): boolean {
  const { log, tooLarge, term, leader, nowMs, followedBytesMax } = state;
  const committed = Math.max(state.commitIndex, toldCommitIndex);
  let bytes = log.bytesOf(committed + 1, (entries[0]?.index ?? 1) - 1);
  for (const entry of entries) if (entry.index > committed) bytes += heldBytes(entry);
  if (bytes <= followedBytesMax) return false;
  // A little more from time to time: what is committed in the end may be behind it.
  const isSame = tooLarge?.what === "tail" && tooLarge.term === term && tooLarge.leader === leader;
  return !isSame || (!tooLarge.isAsked && nowMs < tooLarge.dueMs);
}

/** More of a leader's entries are not committed than this member holds. It takes no more of them for now. */
export function refuseTooMuch(state: RaftState, leader: string, index: number): void {
  const { tooLarge: old, term, followedBytesMax: bytesMax } = state;
  // Its leader may send them again with each heartbeat: that puts nothing off.
  if (old?.what === "tail" && old.leader === leader && old.term === term && old.index === index)
    return;
  refuse(state, { what: "tail", leader, index, bytesMax });
}

/** Says so once, and leaves the leader in peace for a while. */
export function refuse(state: RaftState, refused: RefusedPart): void {
  const { term, nowMs, tooLarge: old } = state;
  const { what, leader, index } = refused;
  const isNew = old?.what !== what || old.leader !== leader || old.index !== index;
  const dueMs = nowMs + retryMs(what);
  state.tooLarge = { ...refused, term, dueMs, isAsked: false };
  if (isNew) state.note("error", refusedCode(what), tooLargeText(state.tooLarge));
}

function retryMs(what: RefusedKind): number {
  return what === "tail" ? raftLimits.followedRetryMs : raftLimits.tooLargeRetryMs;
}

export function refusedCode(what: RefusedKind): string {
  return `${what}-too-large`;
}

/** For the log, and for whoever asks how the member is. */
export function tooLargeText({ what, leader, index, bytesMax }: RefusedPart): string {
  if (what === "dump") {
    return (
      `the dump of ${leader} holds more than the ${bytesMax} bytes of data that this member takes: it ` +
      `stays as it is, without entry ${index} and what follows, and nothing is lost. Raise ` +
      "quorate.max_data_bytes on all members and restart them; or delete what is not needed"
    );
  }
  if (what === "tail") {
    return (
      `of the entries of ${leader} more than ${bytesMax} bytes are not committed: this member takes no more of ` +
      "them for now, and nothing is lost. It goes on when a majority of the members holds them: see that they run"
    );
  }
  if (what === "log") {
    return (
      `the log has come to the ${bytesMax} bytes that this member holds: it takes no more of the entries of ` +
      `${leader}, from ${index} on, and nothing is lost. It goes on by itself when a dump is written: ` +
      "look here and in the log why none was (dump-failed), and make room for one"
    );
  }
  return (
    `entry ${index} of ${leader} is larger than the ${bytesMax} bytes that this member takes: it ` +
    "stays behind, and nothing is lost. Raise quorate.max_entry_bytes and restart it; or wait until " +
    `${leader} has compacted its log and sends a dump`
  );
}

/** Whether the pieces that follow that place are those of the entry that was refused. */
export function isTooLarge(
  { tooLarge, term, leader }: RaftState,
  prevLogIdx: number | null,
): boolean {
  if (tooLarge?.what !== "entry" || prevLogIdx === null) return false;
  return tooLarge.term === term && tooLarge.leader === leader && tooLarge.index === prevLogIdx + 1;
}

/**
 * Whether the leader is not to be told where our log ends: it would send the same again at once, all of it,
 * with every heartbeat. From time to time it is told.
 */
export function waitsForDump(state: RaftState, toldCommitIndex: number): boolean {
  const { tooLarge, term, leader, nowMs } = state;
  if (tooLarge === null || tooLarge.term !== term || tooLarge.leader !== leader) return false;
  if (tooLarge.what === "tail" && hasRoom(state, toldCommitIndex)) return false;
  if (tooLarge.what === "log" && state.log.bytes <= state.logBytesMax / 2) return false;
  if (nowMs < tooLarge.dueMs) return true;
  const dueMs = nowMs + retryMs(tooLarge.what);
  state.tooLarge = { ...tooLarge, dueMs, isAsked: true };
  return false;
}

/** Whether what was not taken since too much was not committed would be taken by now. */
function hasRoom(
  { log, commitIndex, followedBytesMax }: RaftState,
  toldCommitIndex: number,
): boolean {
  const committed = Math.max(commitIndex, toldCommitIndex);
  return log.bytesOf(committed + 1, log.lastIndex) <= followedBytesMax / 2;
}

/** Whether a dump that begins now is the one that was refused, sent again though nobody has asked for it. */
export function isRefusedDump(state: RaftState): boolean {
  const { tooLarge, term, leader, nowMs } = state;
  if (tooLarge?.what !== "dump" || tooLarge.term !== term || tooLarge.leader !== leader)
    return false;
  if (!tooLarge.isAsked && nowMs < tooLarge.dueMs) return true;
  state.tooLarge = { ...tooLarge, dueMs: nowMs + raftLimits.tooLargeRetryMs, isAsked: false };
  return false;
}
