/** Bounds of the client, each with its reason. */
export const clientLimits = {
  /** Writes under way at once; beyond it: QUEUE_FULL. Vanilla's own queue takes 100,000. */
  writesInFlightMax: 10_000,
  /** Bytes of their commands: doubled on the wire they still fit the send buffer of 64 MiB. */
  writeBytesInFlightMax: 16 * 1024 * 1024,
  /** Changes that wait for a reader of `watch`: a slow one ends, and fills no memory. */
  watchEventsMax: 100_000,
  /** Data of a dump that is received, which is held in memory: four times what members take unless told otherwise. */
  dataBytesMax: 1024 * 1024 * 1024,
  /** Largest command of an entry: whatever the members take, and a vanilla leader far more. */
  entryBytesMax: 128 * 1024 * 1024,
  /** Entries that wait to be applied, each with 256 bytes beside its command: the leader is not read from beyond it. */
  entriesWaitingBytesMax: 32 * 1024 * 1024,
  /** Elections remembered: a leader that goes back beyond them sends its dump. */
  termRunsMax: 4_096,
  /** One member's answer, when it is asked who is in the cluster. */
  askTimeoutMs: 2_000,
  /** Between two such rounds while no leader is known. */
  askAgainMs: 1_000,
  /** The client's clock: silent leaders and rounds of questions. */
  tickMs: 100,
  /** Dropped where a member that leads says nothing for so long: its heartbeats come every 100 ms. */
  leaderSilentMs: 3_500,
  /** From one attempt to connect to the next, after the quick ones (src/net/limits.ts). */
  connectionRetryMs: 1_000,
  dnsCacheMs: 30_000,
  dnsFailCacheMs: 10_000,
  /** How long `connect` waits until the own copy is up to date. */
  connectTimeoutMs: 10_000,
} as const;
