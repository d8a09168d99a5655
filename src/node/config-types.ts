/** `host:port`, taken apart. */
export interface HostPort {
  /** Without the brackets of an IPv6 address. */
  readonly host: string;
  /** A TCP port, 0 to 65535. */
  readonly port: number;
}

export type LogLevel = "error" | "warn" | "info" | "debug";
export type LogFormat = "text" | "json";

/** What to do where a leader demands the truncation of committed entries. */
export type OnConflict = "keep" | "halt";

/** Times of a member, in milliseconds. The names in quotes are those of Patroni's file. */
export interface Timeouts {
  /** `min_timeout`: an election starts at a random time between this … */
  readonly electionTimeoutMinMs: number;
  /** `max_timeout`: … and this after the leader was last heard. */
  readonly electionTimeoutMaxMs: number;
  /** `append_entries_period`: the leader's heartbeat. */
  readonly heartbeatPeriodMs: number;
  /** `connection_timeout`: a link silent for so long is closed. */
  readonly connectionTimeoutMs: number;
  /** `connection_retry_time`: between attempts to connect. */
  readonly connectionRetryMs: number;
  /** `leader_fallback_timeout`: a leader without a majority for so long steps down. */
  readonly leaderFallbackMs: number;
  /** How long a resolved name is used without asking again. */
  readonly dnsCacheMs: number;
  /** How long a name that did not resolve is left alone. */
  readonly dnsFailCacheMs: number;
  /** For asking all partners for the list of members when starting; divided among them. */
  readonly discoveryMs: number;
}

/** When a member writes a dump and cuts its log. */
export interface CompactionThresholds {
  /** The log is compacted when it holds more entries than this … */
  readonly minEntries: number;
  /** … or so long after the last time. */
  readonly minTimeMs: number;
}

/** All that a member needs to know to run. Made by `loadConfig`. */
export interface Config {
  /** This member's identity, exactly as given: other members compare it as a string. */
  readonly selfAddr: string;
  /** Where to listen; null: all interfaces, on the port of `selfAddr`. */
  readonly bindAddr: string | null;
  /** The other members to start with: in the order given, each once, without `selfAddr`. */
  readonly partnerAddrs: readonly string[];
  /** Empty: the current directory. */
  readonly dataDir: string;
  readonly password: string | null;
  readonly timeouts: Timeouts;
  readonly compaction: CompactionThresholds;
  readonly onConflict: OnConflict;
  /** Largest command of an entry that is taken from a leader or from who proposes one. */
  readonly entryBytesMax: number;
  /** Most data that this member takes of others; see src/store/weight.ts. */
  readonly dataBytesMax: number;
  /** Where the HTTP server listens; null: it is off. */
  readonly http: HostPort | null;
  readonly log: { readonly level: LogLevel; readonly format: LogFormat };
  /** What should be said once at the start; never holds a secret. */
  readonly warnings: readonly string[];
}

/** For the commands that only talk to members. */
export interface ClientConfig {
  /** In the order in which to try them; may be empty. */
  readonly addresses: readonly string[];
  readonly password: string | null;
  /** The members' bounds, which what comes from them may reach. */
  readonly entryBytesMax: number;
  readonly dataBytesMax: number;
}

/** One configuration file: several are merged in order, as Patroni does with a directory. */
export interface ConfigFile {
  /** As shown in messages. */
  readonly path: string;
  readonly text: string;
}

/** Flags as commander gives them; those that stand for numbers are still text. */
export interface ConfigFlags {
  readonly selfAddr?: string | undefined;
  readonly bindAddr?: string | undefined;
  readonly partnerAddrs?: string | readonly string[] | undefined;
  readonly dataDir?: string | undefined;
  readonly password?: string | undefined;
  readonly passwordFile?: string | undefined;
  readonly http?: string | undefined;
  readonly logLevel?: string | undefined;
  readonly logFormat?: string | undefined;
  readonly onConflict?: string | undefined;
  readonly minTimeout?: string | undefined;
  readonly maxTimeout?: string | undefined;
  readonly connectionTimeout?: string | undefined;
  readonly appendEntriesPeriod?: string | undefined;
  readonly connectionRetryTime?: string | undefined;
  readonly leaderFallbackTimeout?: string | undefined;
  readonly ttl?: string | undefined;
  readonly loopWait?: string | undefined;
  readonly retryTimeout?: string | undefined;
  readonly logCompactionMinEntries?: string | undefined;
  readonly logCompactionMinTime?: string | undefined;
  readonly maxEntryBytes?: string | undefined;
  readonly maxDataBytes?: string | undefined;
}

export interface ConfigSources {
  readonly file?: ConfigFile | readonly ConfigFile[] | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly flags: ConfigFlags;
  /** What a message calls a flag where it was not given on a command line; default: `--its-name`. */
  readonly flagName?: ((flag: keyof ConfigFlags) => string) | undefined;
  /** Reads a password file; the only thing that configuration may need from outside. */
  readonly readPasswordFile?: ((path: string) => string) | undefined;
}

/** A setting that cannot be used. The message names its source and what would be accepted. */
export class ConfigError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ConfigError";
  }
}
