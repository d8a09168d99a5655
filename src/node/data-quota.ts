import { raftLimits } from "../raft/limits.js";
import type { RaftLog } from "../raft/raft-log.js";
import type { Growth } from "../store/growth.js";
import type { Store } from "../store/store.js";
import { nodeLimits } from "./limits.js";

/** What a leader has before it when it judges a command. */
export interface Held {
  readonly store: Store;
  readonly log: RaftLog;
  /** The entry up to which that store holds all effects. */
  readonly appliedIndex: number;
  /** What is admitted already and will follow the log. */
  readonly admittedBytes: number;
}

export interface QuotaRefusal {
  /** QUEUE_FULL where there may be room as soon as what is under way is applied: Patroni tries again then. */
  readonly why: "REQUEST_DENIED" | "QUEUE_FULL";
  readonly reason: string;
}

/**
 * How much data there may be: a leader takes no write that would make it more. What makes it less, or no more,
 * is always taken, and whatever `isKept` says.
 *
 * @param isPlain It sets a usual value, which takes no more than its entry.
 * @returns null where the command is taken.
 */
export function quotaRefusal(
  command: Uint8Array,
  held: Held,
  bytesMax: number,
  isPlain: boolean,
): QuotaRefusal | null {
  const { store, log, appliedIndex, admittedBytes } = held;
  const spareBytes = bytesMax - store.bytes;
  const underWayBytes = log.bytesOf(appliedIndex + 1, log.lastIndex) + admittedBytes;
  const entryBytes = command.length + raftLimits.entryHeldBytes;
  if (isPlain && underWayBytes + entryBytes <= spareBytes) return null;
  const growth = store.growthBy(command);
  if (growth === null || isKept(growth, store, bytesMax)) return null;
  if (growth.bytes > spareBytes) {
    return { why: "REQUEST_DENIED", reason: fullText(store.bytes, bytesMax) };
  }
  // Where a value takes more than its entry, what is under way may be full of such ones.
  const share = Math.max(1, growth.bytes / entryBytes);
  if (underWayBytes * share + growth.bytes <= spareBytes) return null;
  return {
    why: "QUEUE_FULL",
    reason: "with the writes that are under way the data may be too much",
  };
}

/**
 * Patroni's leader key and its members' have to come again in a full store, and its other keys to change: there
 * is a sixteenth for what goes by itself, whatever the rest has come to, and one for what is there already.
 */
function isKept({ bytes, isNew, expires }: Growth, store: Store, bytesMax: number): boolean {
  if (bytes > nodeLimits.smallGrowthBytes) return false;
  const spareBytes = bytesMax * nodeLimits.keptShare;
  if (expires && store.expiringBytes < spareBytes) return true;
  return !isNew && store.bytes < bytesMax + spareBytes;
}

export function fullText(bytes: number, bytesMax: number): string {
  return (
    `the data has come to ${bytes} bytes, at most ${bytesMax} are held (quorate.max_data_bytes): writes are ` +
    "refused that would make it more. Delete what is not needed; or raise the setting on all members, and restart them"
  );
}
