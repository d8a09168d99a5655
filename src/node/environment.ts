import { type Clock, systemClock } from "../clock.js";
import { Network } from "../net/network.js";
import type { NetworkOptions } from "../net/network-options.js";
import { askUtility } from "../net/utility-client.js";
import type { GuardName } from "../raft/types.js";
import { type Compression, nodeCompression } from "../storage/compression.js";
import type { FileSystem } from "../storage/file-system.js";
import { nodeFileSystem } from "../storage/node-file-system.js";

/** What a member asks of its links to the others. */
export type MemberNetwork = Pick<
  Network,
  | "ask"
  | "buffered"
  | "close"
  | "closeLink"
  | "counters"
  | "holdBack"
  | "isConnected"
  | "isSilent"
  | "listen"
  | "noteAwaitingAnswer"
  | "sendMany"
  | "setHeld"
  | "setPeers"
>;

/** Everything outside that a member depends on. A simulator brings its own. */
export interface Environment {
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly fileSystem: FileSystem;
  readonly compression: Compression;
  network(options: NetworkOptions): MemberNetwork;
  /** Before there is a network: who is in the cluster. */
  readonly askUtility: typeof askUtility;
  /** Rules that are switched off, to show what they are good for. */
  readonly guardsOff?: ReadonlySet<GuardName>;
  /** What the log may come to, where that is not to follow from the settings: a test fills it. */
  readonly logBytesMax?: number;
  /** Keys in one slice of a recursive delete, where that is not to be a millisecond's work: a simulator has few keys. */
  readonly keysPerSlice?: number;
}

export const systemEnvironment: Environment = {
  clock: systemClock,
  random: Math.random,
  fileSystem: nodeFileSystem,
  compression: nodeCompression,
  network: (options) => new Network(options),
  askUtility,
};
