import { type Growth, growthBytesMost } from "../store/growth.js";
import type { Store } from "../store/store.js";
import { nodeLimits } from "./limits.js";

/** What a member's own files hold at its start. */
export interface OwnData {
  /** Of its dump, but for what goes by itself. */
  readonly stayingBytes: number;
  /** The last entry of its log. */
  readonly lastIndex: number;
}

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
  #bytesMax: number;
  /**
   * Where the dump is beyond the bound, all that the log held at the start is taken, as the dump is: it may have been
   * committed, or applied, before the setting was what it is, and nobody could lead. 0: nothing.
   */
  readonly #takenTo: number;
  /** Of what goes by itself so much is held in any case: Patroni's leader key has to come again. */
  readonly #fleetingBytesMax: number;

  constructor(dataBytesMax: number, { stayingBytes, lastIndex }: OwnData) {
    const bytesMax = Math.floor(dataBytesMax * nodeLimits.takenShare);
    this.#bytesMax = Math.max(bytesMax, stayingBytes);
    this.#takenTo = stayingBytes > bytesMax ? lastIndex : 0;
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
    if (!isOfKeys && index <= this.#takenTo) {
      this.#bytesMax = Math.max(this.#bytesMax, bytes + growth.delta);
      return null;
    }
    if (!isOfKeys && this.#takes(growth, store)) return null;
    // It may be never, or in a day: nothing of it is kept decoded.
    store.forget(command);
    return { index, dataBytes: bytes, bytesMax: this.#bytesMax, isOfKeys };
  }

  #takes({ bytes, delta, expires }: Growth, store: BoundedStore): boolean {
    if (store.bytes + delta <= this.#bytesMax) return true;
    // What was to go by itself, beyond the bound, and is to stay now: else one after the other would.
    const stayingBytes = store.bytes - store.expiringBytes;
    if (delta <= 0) return expires || bytes <= 0 || stayingBytes + bytes <= this.#bytesMax;
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
