import type { RaftLog } from "../raft/raft-log.js";
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

/**
 * How much data there may be: a leader takes no write that would make it more. What makes it less, or no more,
 * is always taken, and small writes for a little longer than large ones: Patroni has to keep its leader key.
 */
export class DataQuota {
  readonly #bytesMax: number;
  /** What unusual values among the entries that are not applied will take beyond their commands' bytes. */
  #unusualBytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /**
   * @param isPlain It sets a usual value, which takes no more than its command.
   * @returns why the command is not taken, null where it is.
   */
  refusal(command: Uint8Array, held: Held, isPlain: boolean): string | null {
    const { store, log, appliedIndex, admittedBytes } = held;
    const tailBytes = log.bytesOf(appliedIndex + 1, log.lastIndex) + admittedBytes;
    if (tailBytes === 0) this.#unusualBytes = 0;
    const bytes = store.bytes + tailBytes + this.#unusualBytes;
    if (isPlain && bytes + command.length <= this.#bytesMax) return null;
    const growth = store.growthBy(command);
    const isSmall = growth <= nodeLimits.smallGrowthBytes;
    const most = isSmall ? this.#bytesMax * nodeLimits.smallGrowthShare : this.#bytesMax;
    if (growth > 0 && bytes + growth > most) return fullText(store.bytes, this.#bytesMax);
    this.#unusualBytes += Math.max(0, growth - command.length);
    return null;
  }
}

export function fullText(bytes: number, bytesMax: number): string {
  return (
    `the data has come to ${bytes} bytes, at most ${bytesMax} are held (quorate.max_data_bytes): writes are ` +
    "refused that would make it more. Delete what is not needed; or raise the setting on all members, and restart them"
  );
}
