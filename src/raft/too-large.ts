import type { Entry } from "../../protocol/log/entry.js";
import { raftLimits } from "./limits.js";
import { heldBytes } from "./raft-log.js";
import type { RaftState } from "./state.js";
import type { Input } from "./types.js";

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
  /** What of a dump is beyond a bound that no setting moves; null: it is too much in all. */
  readonly fixed?: string | null;
  /** Of an entry: it stands behind others, in one message with them, and `index` is the first of these. */
  readonly isBehind?: boolean;
  /** When its leader is told again where our log ends. */
  readonly dueMs: number;
  /** It has been told, and what it sends now is taken. */
  readonly isAsked: boolean;
  /** What else it has in this term that is not taken, one of each other kind: see `refusals`. */
  readonly also: readonly RefusedPart[];
}

type RefusedPart = Pick<Refused, "what" | "leader" | "index" | "bytesMax" | "fixed" | "isBehind">;
type RefusedDump = Extract<Input, { kind: "snapshot-refused" }>;

/**
 * An entry of a leader's log that is larger than this member takes: without it there is none of what comes
 * behind, until the leader sends a dump. The member stays where it is, and says so.
 */
export function refuseTooLarge(
  state: RaftState,
  leader: string,
  index: number,
  isBehind = false,
): void {
  refuse(state, { what: "entry", leader, index, bytesMax: state.entryBytesMax, isBehind });
}

/** A leader's dump holds more than this member takes. It stays where it is, and says so. */
export function onSnapshotRefused(
  state: RaftState,
  { from, term, bytesMax, fixed }: RefusedDump,
): void {
  const index = state.log.lastIndex + 1;
  const refused = { what: "dump", leader: from, index, bytesMax, fixed } as const;
  const { leaderOfTerm } = state;
  if (term === state.term && leaderOfTerm?.leader === from) refuse(state, refused);
  // It leads no more: nothing is missing because of it.
  else state.note("error", refusedCode("dump"), tooLargeText(refused));
}

/**
 * Whether these entries, with what is not applied before them, are more than we hold for any leader: whatever it
 * calls committed.
 */
export function isTooMuch(state: RaftState, entries: readonly Entry[]): boolean {
  const { log, lastApplied, tooLarge, term, leader, nowMs, followedBytesMax } = state;
  const before = log.bytesOf(lastApplied + 1, (entries[0]?.index ?? 1) - 1);
  let bytes = 0;
  for (const entry of entries) bytes += heldBytes(entry);
  if (before + bytes <= followedBytesMax) return false;
  // A little more from time to time: what is committed in the end may be behind it.
  const isSame = tooLarge?.what === "tail" && tooLarge.term === term && tooLarge.leader === leader;
  if (!isSame || (!tooLarge.isAsked && nowMs < tooLarge.dueMs)) return true;
  const isLittle = bytes <= raftLimits.followedLittleBytes;
  return !isLittle && before > followedBytesMax * raftLimits.followedSpareShare;
}

/** More of a leader's entries are not applied than this member holds. It takes no more of them for now. */
export function refuseTooMuch(state: RaftState, leader: string, index: number): void {
  const { tooLarge: old, term, followedBytesMax: bytesMax } = state;
  // Its leader may send them again with each heartbeat: that puts nothing off.
  if (old?.what === "tail" && old.leader === leader && old.term === term && old.index === index)
    return;
  refuse(state, { what: "tail", leader, index, bytesMax });
}

/** Says so once, and leaves the leader in peace for a while. */
export function refuse(state: RaftState, refused: RefusedPart): void {
  const { term, nowMs } = state;
  const { what, leader, index } = refused;
  const known = refusedBefore(state, leader);
  const isNew = !known.some((other) => other.what === what && other.index === index);
  const also = known.filter((other) => other.what !== what);
  const dueMs = nowMs + retryMs(what);
  state.tooLarge = { ...refused, term, dueMs, isAsked: false, also };
  if (isNew) state.note("error", refusedCode(what), tooLargeText(state.tooLarge));
}

/** Of this leader, in this term. */
function refusedBefore({ tooLarge, term }: RaftState, leader: string): RefusedPart[] {
  if (tooLarge === null || tooLarge.term !== term || tooLarge.leader !== leader) return [];
  const { also, ...latest } = tooLarge;
  return [latest, ...also];
}

/**
 * All that is not taken and keeps the member behind, the latest first: where a dump was refused, and then an entry, an
 * operator who hears of the entry alone would wait for that very dump.
 */
export function refusals(state: RaftState): readonly RefusedPart[] {
  const { tooLarge } = state;
  if (tooLarge === null) return [];
  return [tooLarge, ...tooLarge.also.filter((refused) => isStillRefused(state, refused))];
}

/** Nobody tells of an earlier one when it passes. */
function isStillRefused(state: RaftState, { what, index }: RefusedPart): boolean {
  if (state.log.lastIndex >= index) return false;
  if (what === "log") return !hasRoomAgain(state);
  return what !== "tail" || !asksForMore(state, state.commitIndex);
}

function hasRoomAgain({ log, logBytesMax }: RaftState): boolean {
  return log.bytes <= logBytesMax / 2;
}

function retryMs(what: RefusedKind): number {
  return what === "tail" ? raftLimits.followedRetryMs : raftLimits.tooLargeRetryMs;
}

export function refusedCode(what: RefusedKind): `${RefusedKind}-too-large` {
  return `${what}-too-large`;
}

/** For the log, and for whoever asks how the member is. */
export function tooLargeText(refused: RefusedPart): string {
  const { what, leader, index, bytesMax, fixed, isBehind = false } = refused;
  if (what === "dump") {
    const stays = `it stays as it is, without entry ${index} and what follows, and nothing is lost`;
    if (typeof fixed === "string") {
      return (
        `the dump of ${leader} holds what this member takes of nobody (${fixed}), whatever its settings are: ` +
        `${stays}. Delete that key or make its value smaller; the leader's next dump is taken then`
      );
    }
    return (
      `the dump of ${leader} holds more than the ${bytesMax} bytes of data that this member takes ` +
      `(quorate.max_data_bytes and a quarter): ${stays}. Raise the setting on all members and restart ` +
      "them; or delete what is not needed"
    );
  }
  if (what === "tail") {
    return (
      `of the entries of ${leader} more than ${bytesMax} bytes are not committed, or not applied here: this ` +
      "member takes no more of them for now, and nothing is lost. It goes on when a majority of the members " +
      "holds them, see that they run, and when it has applied them: see what else its status says"
    );
  }
  if (what === "log") {
    return (
      `the log has come to the ${bytesMax} bytes that this member holds: it takes no more of the entries of ` +
      `${leader}, from ${index} on, and nothing is lost. It goes on by itself when a dump is written: ` +
      "look here and in the log why none was (dump-failed), and make room for one"
    );
  }
  const which = isBehind
    ? `an entry of ${leader}, sent together with those from ${index} on,`
    : `entry ${index} of ${leader}`;
  return (
    `${which} is larger than the ${bytesMax} bytes that this member takes: it ` +
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
  if (tooLarge.what === "log" && hasRoomAgain(state)) return false;
  if (tooLarge.what === "tail" && asksForMore(state, toldCommitIndex)) return false;
  if (nowMs < tooLarge.dueMs) return true;
  const dueMs = nowMs + retryMs(tooLarge.what);
  state.tooLarge = { ...tooLarge, dueMs, isAsked: true };
  return false;
}

/**
 * Whether what was not taken would be taken by now, or is about to be: what its leader sends next tells up to
 * where our log is its own, and with that what of it is committed.
 */
function asksForMore(state: RaftState, toldCommitIndex: number): boolean {
  const { log, commitIndex, lastApplied, followedBytesMax } = state;
  const told = Math.min(toldCommitIndex, log.lastIndex);
  const from = told > commitIndex ? told : lastApplied;
  return log.bytesOf(from + 1, log.lastIndex) <= followedBytesMax / 2;
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
