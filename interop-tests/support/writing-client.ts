import type { KvRecord } from "./kv-data.js";
import type { Conditions, SetOptions } from "./vanilla-client.js";

/** Whatever takes writes the way in which Patroni's KVStoreTTL does: that class, or a Quorate member. */
export interface WritingClient {
  readonly name: string;
  /** The stored record, or false where refused or not acknowledged in 10 s. */
  set(key: string, value: string, options?: SetOptions): Promise<KvRecord | false>;
  delete(key: string, options?: Conditions & { readonly recursive?: boolean }): Promise<boolean>;
  /** From its own copy of the data. */
  get(key: string): Promise<KvRecord | null>;
  /**
   * `_set` with times of the caller's own, once and without any check: the log index of the
   * acknowledged write; null where it is not known to be done.
   */
  setOnce(key: string, record: OwnRecord): Promise<number | null>;
}

export interface OwnRecord {
  readonly value: string;
  readonly created: number;
  readonly updated: number;
}
