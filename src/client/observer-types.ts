import type { PyDict, PyValue } from "../../protocol/pickle/values.js";
import type { Logger } from "../logger.js";

/** How an observer finds its cluster, and what its writes may take. */
export interface ObserverOptions {
  /** Members to begin with, `host:port` each; they tell of the others. */
  readonly addresses: readonly string[];
  /** The cluster's password. Default: none. */
  readonly password?: string | null;
  /** How long a write waits for its outcome; default: 10,000 ms, Patroni's retry_timeout. */
  readonly timeoutMs?: number;
  /** Writes under way at once; default and most: 10,000. Beyond it: QUEUE_FULL. */
  readonly writesInFlightMax?: number;
  /**
   * The members' `quorate.max_entry_bytes`, where it was raised: larger messages are taken from them then.
   * Default: 8 MiB; at most 24 MiB. The client's own commands may have 8 MiB.
   */
  readonly maxEntryBytes?: number;
  /** The members' `quorate.max_data_bytes`, where it is above 800 MiB: a larger dump is taken then. At most 16 GiB. */
  readonly maxDataBytes?: number;
  /** Where the client's log goes. Default: nowhere. */
  readonly logger?: Logger;
}

/** What `ObserverClient.connect` is told. */
export interface ConnectOptions extends ObserverOptions {
  /** How long to wait for a leader and an own copy that is up to date; default: 10,000 ms. */
  readonly connectTimeoutMs?: number;
  /** Aborted while it connects: `connect` rejects with the signal's reason, and nothing is left of it. */
  readonly signal?: AbortSignal;
}

/** How an observer is, at one moment. */
export interface ObserverStatus {
  /** Null while none is known. */
  readonly leader: string | null;
  /** The highest term that it has followed. */
  readonly term: number;
  /** The own copy holds all entries up to here. */
  readonly appliedIndex: number;
  /** Addresses of the members, as last learnt. */
  readonly members: readonly string[];
  /** Those that there is a link to. */
  readonly connected: readonly string[];
  /** Writes whose outcome is open. */
  readonly writesInFlight: number;
  /** Dumps received since it connected. */
  readonly dumps: number;
  /** Starts from an empty copy, because committed entries had become others. */
  readonly startsOver: number;
}

/** An observer's copy of the data as of one log index. */
export interface ObserverSnapshot
  extends Pick<ObserverStatus, "leader" | "term" | "appliedIndex" | "members"> {
  /** Each key with its value dict, as stored. Throws after `end`. */
  readonly records: IterableIterator<readonly [key: PyValue, value: PyDict]>;
  /** Number of keys in `records`. */
  readonly size: number;
  /** Lets go of what is kept for the snapshot. */
  readonly end: () => void;
}
