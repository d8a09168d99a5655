/**
 * A member of a raft cluster inside a program ({@link QuorateNode}), and an observer of one
 * ({@link ObserverClient}): reads, writes and watches of the data that Patroni keeps in a cluster of
 * PySyncObj's or Quorate's members. What stands here is public, and so is `quorate/protocol`.
 *
 * @module quorate
 */
export { NotReadyError, ObserverClient } from "./client/observer-client.js";
export type {
  ConnectOptions,
  ObserverOptions,
  ObserverSnapshot,
  ObserverStatus,
} from "./client/observer-types.js";
export { type KvChange, Watch, WatchOverflowError } from "./client/watch.js";
export { type LogFields, type Logger, silentLogger } from "./logger.js";
export {
  type CompactionThresholds,
  ConfigError,
  type HostPort,
  type OnConflict,
  type Timeouts,
} from "./node/config-types.js";
export type { DeleteOptions, SetOptions, WriteOptions } from "./node/kv-writer.js";
export type {
  DegradedCode,
  DegradedReason,
  MemberReport,
  MemberRole,
  PeerKind,
  StatusReport,
  StopReason,
} from "./node/member-types.js";
export type { NodeOptions, NodeSettings, PatroniFileOptions } from "./node/node-options.js";
export { quorateVersion } from "./node/version.js";
export type {
  WriteFailure,
  WriteFault,
  WriteOutcome,
  WriteSuccess,
} from "./node/write-outcome.js";
export { QuorateNode } from "./quorate-node.js";
export { StorageError, type StorageErrorCode } from "./storage/storage-error.js";
export type { JsonValue, KvEntryJson } from "./store/json-view.js";
