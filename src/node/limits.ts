/** Bounds of the runtime, each with its reason. */
export const nodeLimits = {
  /** Between attempts to write to a full disk: soon enough for a person who has just made room. */
  diskRetryMs: 1_000,
  /** Upstream's logCompactionBatchSize: one piece of a dump on the wire. */
  snapshotChunkBytes: 65_536,
  /** Bytes of a dump that may wait in a peer's socket: a slow link must not fill the memory. */
  snapshotBufferedBytesMax: 1024 * 1024,
  /** One peer's answer to a status question, in a campaign among other things. */
  statusTimeoutMs: 1_000,
  /** How often the leader looks for expired keys; upstream does at each tick of 50 ms. */
  expiryPeriodMs: 100,
  /** A stopping leader waits so long for another one to take over. */
  handOverMsMax: 2_000,
  /** A stopping member waits so long for its last writes; a full disk would keep it for ever. */
  settleMsMax: 5_000,
  /** Between attempts to have ourselves added to a running cluster. */
  joinRetryMs: 2_000,
  /** Requests forwarded to the leader that may wait for its answer; beyond it: QUEUE_FULL. */
  forwardedMax: 10_000,
  /** Distinct notes that are logged within one minute each; the rest is counted only. */
  notesRememberedMax: 256,
} as const;
