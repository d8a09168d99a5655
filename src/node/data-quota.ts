import { raftLimits } from "../raft/limits.js";
import type { RaftLog } from "../raft/raft-log.js";
import type { Growth } from "../store/growth.js";
import type { Store } from "../store/store.js";
import { nodeLimits } from "./limits.js";

/** What a leader has before it when it judges a command. */
export interface Held {
  readonly store: Pick<Store, "bytes" | "expiringBytes" | "size" | "growthBy">;
  readonly log: RaftLog;
  /** The entry up to which that store holds all effects. */
  readonly appliedIndex: number;
  /** What is admitted already and will follow the log. */
  readonly admittedBytes: number;
  /** What all that is under way will take beyond what it counts for in the log. */
  readonly extraBytes: number;
  /** The largest command that is taken. */
  readonly entryBytesMax: number;
}

export interface QuotaRefusal {
  readonly isTaken: false;
  /** QUEUE_FULL where there may be room as soon as what is under way is applied: Patroni tries again then. */
  readonly why: "REQUEST_DENIED" | "QUEUE_FULL";
  readonly reason: string;
  /** It would be refused whatever data there is. */
  readonly isCommands?: true;
}

export interface QuotaPass {
  readonly isTaken: true;
  /** What its value will take beyond what its entry counts for in the log. */
  readonly extraBytes: number;
}

/**
 * How much data there may be: a leader takes no write that would make it more. What makes it less, or no more,
 * is always taken, and what is kept for small writes. With all that is under way it never comes to more than a
 * member holds (`nodeLimits.takenShare`): new data to the bound, keys that are there to an eighth beyond, and in
 * those that expire there is an eighth besides. What an earlier leader has left under way counts as in the log.
 *
 * @param isPlain It sets a usual value, which takes no more than its entry.
 */
export function judgeQuota(
  command: Uint8Array,
  held: Held,
  bytesMax: number,
  isPlain: boolean,
): QuotaPass | QuotaRefusal {
  const { store, log, appliedIndex } = held;
  const tailBytes = log.bytesOf(appliedIndex + 1, log.lastIndex);
  const underWayBytes = tailBytes + held.admittedBytes + held.extraBytes;
  const entryBytes = command.length + raftLimits.entryHeldBytes;
  const hasKeys = store.size < nodeLimits.keysMax;
  const isWithin = store.bytes + underWayBytes + entryBytes <= bytesMax;
  if (isPlain && isWithin && hasKeys) return { isTaken: true, extraBytes: 0 };
  const growth = store.growthBy(command);
  const pass = {
    isTaken: true,
    extraBytes: Math.max(0, (growth?.weight ?? 0) - entryBytes),
  } as const;
  if (growth?.expires && growth.weight > held.entryBytesMax) {
    const reason = beyondCommandText(held.entryBytesMax);
    return { isTaken: false, why: "REQUEST_DENIED", reason, isCommands: true };
  }
  if (growth === null || growth.bytes <= 0) return pass;
  if (growth.isNew && !hasKeys) {
    return { isTaken: false, why: "REQUEST_DENIED", reason: keysText() };
  }
  if (store.bytes + underWayBytes + growth.bytes <= bytesMax) return pass;
  const kept = isKept(growth, store, bytesMax);
  if (!kept && store.bytes + growth.bytes > bytesMax) {
    return { isTaken: false, why: "REQUEST_DENIED", reason: fullText(store.bytes, bytesMax) };
  }
  if (kept && isKeptUnderWay(growth, store, underWayBytes, bytesMax)) return pass;
  return {
    isTaken: false,
    why: "QUEUE_FULL",
    reason: "with the writes that are under way the data may be too much",
  };
}

/**
 * Patroni's leader key and its members' have to come again in a full store, and its other keys to change: there
 * is a sixteenth for what goes by itself, whatever the rest has come to, and one for what is there already.
 */
function isKept(
  { bytes, isNew, expires }: Growth,
  store: Held["store"],
  bytesMax: number,
): boolean {
  if (bytes > nodeLimits.smallGrowthBytes) return false;
  const spareBytes = bytesMax * nodeLimits.keptShare;
  if (expires && store.expiringBytes < spareBytes) return true;
  return !isNew && store.bytes < bytesMax + spareBytes;
}

/** So many may come at once that each of them alone would be well. */
function isKeptUnderWay(
  { bytes, expires }: Growth,
  store: Held["store"],
  underWayBytes: number,
  bytesMax: number,
): boolean {
  const spareBytes = bytesMax * nodeLimits.keptUnderWayShare;
  const moreBytes = underWayBytes + bytes;
  if (store.bytes + moreBytes <= bytesMax + spareBytes) return true;
  return expires && store.expiringBytes + moreBytes <= spareBytes;
}

/** Of the entries under way, what those will take that take more than they count for in the log. */
export class ExtraBytes {
  #entries: { readonly index: number; readonly bytes: number }[] = [];

  add(index: number, bytes: number): void {
    if (bytes > 0) this.#entries.push({ index, bytes });
  }

  /** Of those that are not applied; the others, and those that were cut away, are forgotten. */
  underWay(appliedIndex: number, lastIndex: number): number {
    if (this.#entries.length === 0) return 0;
    const isUnderWay = ({ index }: { index: number }) => index > appliedIndex && index <= lastIndex;
    this.#entries = this.#entries.filter(isUnderWay);
    return this.#entries.reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

export function fullText(bytes: number, bytesMax: number): string {
  return (
    `the data has come to ${bytes} bytes, at most ${bytesMax} are held (quorate.max_data_bytes): writes are ` +
    "refused that would make it more. Delete what is not needed; or raise the setting on all members, and restart them"
  );
}

/** A leader of PySyncObj names all of the value in the command that removes it, which members of ours have to take. */
function beyondCommandText(entryBytesMax: number): string {
  return (
    "a value with a time to live that, with its key, is too large for the command that would remove it, of " +
    `${entryBytesMax} bytes at most (quorate.max_entry_bytes): store it without one, or less of it`
  );
}

function keysText(): string {
  return `there are ${nodeLimits.keysMax} keys, and no more are taken, whatever quorate.max_data_bytes says: delete some`;
}
