import type { PyValue } from "../../protocol/pickle/values.js";
import { textOfId } from "./python-key.js";
import type { CompactRecord } from "./record.js";

export interface Applied {
  /** What vanilla's method returns: the value dict, True, False or None. Not to be changed. */
  readonly result: PyValue;
  /** The str keys that were set or removed, as Patroni's on_set and on_delete would hear of them. */
  readonly changed: readonly string[];
}

/** Vanilla would have raised, and stopped for good, and this is why. Nothing has changed here. */
export interface Raised {
  readonly raised: string;
  /** It is beyond our limits of what one command may hold, and vanilla may have taken it. */
  readonly isBeyondLimits?: boolean;
}

export type ApplyOutcome = Applied | Raised;

export const unchanged: readonly string[] = [];

/** Mostly nobody waits for the result: it is made for who asks. */
export class AppliedPut implements Applied {
  readonly #key: string;
  readonly #record: CompactRecord;

  constructor(key: string, record: CompactRecord) {
    this.#key = key;
    this.#record = record;
  }

  get result(): PyValue {
    return this.#record.toDict();
  }

  get changed(): readonly string[] {
    return [this.#key];
  }
}

/** Nor does a member ask which keys went. */
export class AppliedRemoval implements Applied {
  readonly result: PyValue = true;
  readonly #ids: readonly string[];

  constructor(ids: readonly string[]) {
    this.#ids = ids;
  }

  get changed(): readonly string[] {
    return this.#ids.map(textOfId).filter((key) => key !== null);
  }
}

/** Of what was thrown where vanilla would raise. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
