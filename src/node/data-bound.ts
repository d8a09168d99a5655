import { type Growth, growthBytesMost } from "../store/growth.js";
import type { Store } from "../store/store.js";
import { nodeLimits } from "./limits.js";

/** What the bound asks of a store. */
export type BoundedStore = Pick<Store, "bytes" | "expiringBytes" | "size" | "growthBy" | "forget">;

/** Committed entries that a member does not apply: with the first of them its data would be too much. */
export interface HeldBack {
  readonly index: number;
  readonly dataBytes: number;
  readonly bytesMax: number;
  /** There is room for its bytes, but not for one more key. */
  readonly isOfKeys: boolean;
}

/**
 * How much data a member holds, whoever leads it. A leader of ours takes less (data-quota.ts), so that this is met
 * only under one that knows no bound, has a larger one, or is none at all.
 */
export class DataBound {
  readonly #bytesMax: number;
  /** Of what goes by itself so much is held in any case: Patroni's leader key has to come again. */
  readonly #fleetingBytesMax: number;

  /** @param stayingBytes What a member's own dump holds at its start that does not go by itself. */
  constructor(dataBytesMax: number, stayingBytes: number) {
    this.#bytesMax = Math.max(Math.floor(dataBytesMax * nodeLimits.takenShare), stayingBytes);
    this.#fleetingBytesMax = dataBytesMax * nodeLimits.keptUnderWayShare;
  }

  /**
   * Whether the store would be too large with what the command brings. Mostly that shows at sight.
   *
   * @returns null where the command is to be applied, next.
   */
  refusal(store: BoundedStore, command: Uint8Array, index: number): HeldBack | null {
    const { bytes, size } = store;
    const isFar = bytes + growthBytesMost(command.length) <= this.#bytesMax;
    if (isFar && size < nodeLimits.heldKeysMax) return null;
    const growth = store.growthBy(command, true);
    if (growth === null) return null;
    const isOfKeys = growth.isNew && size >= nodeLimits.heldKeysMax;
    if (!isOfKeys && this.#takes(growth, store)) return null;
    // It may be never, or in a day: nothing of it is kept decoded.
    store.forget(command);
    return { index, dataBytes: bytes, bytesMax: this.#bytesMax, isOfKeys };
  }

  #takes({ bytes, expires }: Growth, store: BoundedStore): boolean {
    if (bytes <= 0 || store.bytes + bytes <= this.#bytesMax) return true;
    const isSmall = expires && bytes <= nodeLimits.smallGrowthBytes;
    return isSmall && store.expiringBytes + bytes <= this.#fleetingBytesMax;
  }
}

/** For the log, and for whoever asks how the member is. */
export const heldBackCode = "data-too-large";

export function heldBackText({ index, dataBytes, bytesMax, isOfKeys }: HeldBack): string {
  const tooMuch = isOfKeys
    ? `the data have come to ${nodeLimits.heldKeysMax} keys, more are not held`
    : `the data have come to ${dataBytes} bytes, and at most ${bytesMax} are held (quorate.max_data_bytes and a quarter)`;
  return (
    `${tooMuch}: entry ${index} and what follows are committed and stay in the log, but are not applied. ` +
    "Nothing is lost; this member votes, does not lead, and shows what it had before that entry. " +
    (isOfKeys
      ? "Delete keys through another member; then stop this one, empty its data directory and start it again"
      : "Raise the setting on all members, and restart them")
  );
}
