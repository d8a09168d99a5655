import type { Logger } from "../logger.js";
import { loadConfig } from "./config.js";
import { readConfigPath, readPasswordFile } from "./config-read.js";
import {
  type CompactionThresholds,
  type Config,
  ConfigError,
  type ConfigFlags,
  type OnConflict,
  type Timeouts,
} from "./config-types.js";

/** What may be set for a member, wherever its address comes from. */
export interface NodeSettings {
  /** The other members to begin with, `host:port` each. Default: none, a cluster of one. */
  readonly partnerAddrs?: readonly string[];
  /** Where to listen, `host:port`. Default: all interfaces, on the port of the own address. */
  readonly bindAddr?: string;
  /** The cluster's password. Default: none, links are neither encrypted nor authenticated. */
  readonly password?: string;
  /** Milliseconds each, as `docs/configuration.md` has them in seconds. Default: PySyncObj's. */
  readonly timeouts?: Partial<Timeouts>;
  /** When the log is compacted. Default: PySyncObj's, more than 5,000 entries or 300,000 ms. */
  readonly compaction?: Partial<CompactionThresholds>;
  /**
   * What to do where a leader demands that committed entries go: `keep` (the default) puts them into
   * a file and goes on as degraded, `halt` ends the member.
   */
  readonly onConflict?: OnConflict;
  /** Largest entry of the log that is taken, in bytes of its command. Default: 8 MiB; at most 24 MiB. */
  readonly maxEntryBytes?: number;
  /** Most data that is held, in bytes; see docs/configuration.md. Default: 256 MiB. The same on all members. */
  readonly maxDataBytes?: number;
  /** Serve status, data and health over HTTP here, `host:port`. Default: off. It asks for no password. */
  readonly http?: string;
  /** Where the member's log goes. Default: nowhere. */
  readonly logger?: Logger;
  /**
   * Ends a start that waits for room on a full disk; it then throws the signal's reason. Later it
   * does nothing: use `QuorateNode.stop`.
   */
  readonly signal?: AbortSignal;
}

/** A member that is described by the program. */
export interface NodeOptions extends NodeSettings {
  /** This member's address, `host:port`: its identity, which the others compare letter by letter. */
  readonly selfAddr: string;
  /** Folder of journal, meta and dump; made where it is missing. */
  readonly dataDir: string;
}

/** A member that is described by Patroni's configuration. What else is given wins over the file. */
export interface PatroniFileOptions extends NodeSettings {
  /** Path of a file, or of a folder of `.yml` files, with a `raft:` section. */
  readonly patroniFile: string;
  /**
   * Variables that win over the file (`PATRONI_RAFT_*`, `QUORATE_*`), for example `process.env`.
   * Default: none.
   */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** In the place of the file's `raft.self_addr`. */
  readonly selfAddr?: string;
  /** In the place of the file's `raft.data_dir`. */
  readonly dataDir?: string;
}

/** What a message calls those settings whose option has another name than the flag. */
const optionNames: Partial<Record<keyof ConfigFlags, string>> = {
  minTimeout: "timeouts.electionTimeoutMinMs",
  maxTimeout: "timeouts.electionTimeoutMaxMs",
  appendEntriesPeriod: "timeouts.heartbeatPeriodMs",
  connectionTimeout: "timeouts.connectionTimeoutMs",
  connectionRetryTime: "timeouts.connectionRetryMs",
  leaderFallbackTimeout: "timeouts.leaderFallbackMs",
  ttl: "timeouts.dnsCacheMs",
  loopWait: "timeouts.dnsFailCacheMs",
  retryTimeout: "timeouts.discoveryMs",
  logCompactionMinEntries: "compaction.minEntries",
  logCompactionMinTime: "compaction.minTimeMs",
};

/**
 * The configuration that the options describe, by the same rules as for files and flags.
 *
 * @throws ConfigError where one cannot be used.
 */
export function configOfOptions(options: NodeOptions | PatroniFileOptions): Config {
  const fromFile = "patroniFile" in options ? options : null;
  const { selfAddr, partnerAddrs, bindAddr, dataDir, password, onConflict, http } = options;
  if (dataDir === undefined && fromFile === null) throw new ConfigError("dataDir is missing");
  return loadConfig({
    file: fromFile === null ? undefined : readConfigPath(fromFile.patroniFile),
    env: fromFile?.env ?? {},
    flags: {
      ...{ selfAddr, partnerAddrs, bindAddr, dataDir, password, onConflict, http },
      ...timeoutFlags(options.timeouts ?? {}),
      ...compactionFlags(options.compaction ?? {}),
      maxEntryBytes: options.maxEntryBytes?.toString(),
      maxDataBytes: options.maxDataBytes?.toString(),
    },
    flagName: (flag) => optionNames[flag] ?? flag,
    readPasswordFile,
  });
}

function timeoutFlags(timeouts: Partial<Timeouts>): ConfigFlags {
  return {
    minTimeout: secondsOf(timeouts.electionTimeoutMinMs),
    maxTimeout: secondsOf(timeouts.electionTimeoutMaxMs),
    appendEntriesPeriod: secondsOf(timeouts.heartbeatPeriodMs),
    connectionTimeout: secondsOf(timeouts.connectionTimeoutMs),
    connectionRetryTime: secondsOf(timeouts.connectionRetryMs),
    leaderFallbackTimeout: secondsOf(timeouts.leaderFallbackMs),
    ttl: secondsOf(timeouts.dnsCacheMs),
    loopWait: secondsOf(timeouts.dnsFailCacheMs),
    retryTimeout: secondsOf(timeouts.discoveryMs),
  };
}

function compactionFlags({ minEntries, minTimeMs }: Partial<CompactionThresholds>): ConfigFlags {
  return {
    logCompactionMinEntries: minEntries === undefined ? undefined : String(minEntries),
    logCompactionMinTime: secondsOf(minTimeMs),
  };
}

function secondsOf(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : String(ms / 1000);
}
