/**
 * Every setting once: where it stands in the file, its environment variable and its flag. The
 * command line, the loader and the test of docs/configuration.md all read this table.
 */
import type { ConfigFlags } from "./config-types.js";

/** Patroni's own section, Quorate's own, or the top level of the file. */
export type Section = "raft" | "quorate" | "";

export interface Setting {
  readonly section: Section;
  /** Key in its section of the file. */
  readonly name: string;
  readonly env: string | null;
  readonly flag: keyof ConfigFlags;
  readonly option: string;
  /** For `--help`: the placeholder and one line. */
  readonly argument: string;
  readonly help: string;
  /** Never shown in a message. */
  readonly secret?: true;
  /** The older flags of Patroni's top level are also taken from `raft:`, as upstream passes them. */
  readonly alsoInRaft?: true;
}

const raft = "raft" as const;
const quorate = "quorate" as const;

/** Settings of Patroni: PATRONI_RAFT_* as Patroni reads them. */
const patroniSettings = {
  selfAddr: {
    section: raft,
    name: "self_addr",
    env: "PATRONI_RAFT_SELF_ADDR",
    flag: "selfAddr",
    option: "--self-addr",
    argument: "<host:port>",
    help: "this member's address, which is its identity",
  },
  bindAddr: {
    section: raft,
    name: "bind_addr",
    env: "PATRONI_RAFT_BIND_ADDR",
    flag: "bindAddr",
    option: "--bind-addr",
    argument: "<host:port>",
    help: "where to listen (default: all interfaces, own port)",
  },
  partnerAddrs: {
    section: raft,
    name: "partner_addrs",
    env: "PATRONI_RAFT_PARTNER_ADDRS",
    flag: "partnerAddrs",
    option: "--partner-addrs",
    argument: "<list>",
    help: "the other members, comma separated; may be repeated",
  },
  dataDir: {
    section: raft,
    name: "data_dir",
    env: "PATRONI_RAFT_DATA_DIR",
    flag: "dataDir",
    option: "--data-dir",
    argument: "<path>",
    help: "where journal and dump are kept (default: current directory)",
  },
  password: {
    section: raft,
    name: "password",
    env: "PATRONI_RAFT_PASSWORD",
    flag: "password",
    option: "--password",
    argument: "<text>",
    help: "password of the cluster; better given by file or environment",
    secret: true,
  },
  minTimeout: {
    section: raft,
    name: "min_timeout",
    env: "PATRONI_RAFT_MIN_TIMEOUT",
    flag: "minTimeout",
    option: "--min-timeout",
    argument: "<seconds>",
    help: "shortest election timeout (default: 0.4)",
  },
  maxTimeout: {
    section: raft,
    name: "max_timeout",
    env: "PATRONI_RAFT_MAX_TIMEOUT",
    flag: "maxTimeout",
    option: "--max-timeout",
    argument: "<seconds>",
    help: "longest election timeout (default: 1.4)",
  },
  connectionTimeout: {
    section: raft,
    name: "connection_timeout",
    env: "PATRONI_RAFT_CONNECTION_TIMEOUT",
    flag: "connectionTimeout",
    option: "--connection-timeout",
    argument: "<seconds>",
    help: "a link silent for so long is closed (default: 3.5)",
  },
  appendEntriesPeriod: {
    section: raft,
    name: "append_entries_period",
    env: "PATRONI_RAFT_APPEND_ENTRIES_PERIOD",
    flag: "appendEntriesPeriod",
    option: "--append-entries-period",
    argument: "<seconds>",
    help: "the leader's heartbeat (default: 0.1)",
  },
  connectionRetryTime: {
    section: raft,
    name: "connection_retry_time",
    env: "PATRONI_RAFT_CONNECTION_RETRY_TIME",
    flag: "connectionRetryTime",
    option: "--connection-retry-time",
    argument: "<seconds>",
    help: "between attempts to connect (default: 5)",
  },
  leaderFallbackTimeout: {
    section: raft,
    name: "leader_fallback_timeout",
    env: "PATRONI_RAFT_LEADER_FALLBACK_TIMEOUT",
    flag: "leaderFallbackTimeout",
    option: "--leader-fallback-timeout",
    argument: "<seconds>",
    help: "a leader without a majority for so long steps down (default: 30)",
  },
  ttl: {
    section: "",
    name: "ttl",
    env: null,
    flag: "ttl",
    option: "--ttl",
    argument: "<seconds>",
    help: "how long a resolved host name is kept (default: 30)",
    alsoInRaft: true,
  },
  loopWait: {
    section: "",
    name: "loop_wait",
    env: null,
    flag: "loopWait",
    option: "--loop-wait",
    argument: "<seconds>",
    help: "how long a host name that failed to resolve is left alone (default: 10)",
    alsoInRaft: true,
  },
  retryTimeout: {
    section: "",
    name: "retry_timeout",
    env: null,
    flag: "retryTimeout",
    option: "--retry-timeout",
    argument: "<seconds>",
    help: "for asking the partners who is a member, at the start (default: 10)",
    alsoInRaft: true,
  },
} as const satisfies Record<string, Setting>;

/** Settings that only Quorate has. */
const ownSettings = {
  passwordFile: {
    section: quorate,
    name: "password_file",
    env: "QUORATE_PASSWORD_FILE",
    flag: "passwordFile",
    option: "--password-file",
    argument: "<path>",
    help: "file that holds the password of the cluster",
  },
  http: {
    section: quorate,
    name: "http",
    env: "QUORATE_HTTP",
    flag: "http",
    option: "--http",
    argument: "<host:port>",
    help: "serve status, health and data over HTTP (default: off)",
  },
  logLevel: {
    section: quorate,
    name: "log_level",
    env: "QUORATE_LOG_LEVEL",
    flag: "logLevel",
    option: "--log-level",
    argument: "<level>",
    help: "error, warn, info or debug (default: info)",
  },
  logFormat: {
    section: quorate,
    name: "log_format",
    env: "QUORATE_LOG_FORMAT",
    flag: "logFormat",
    option: "--log-format",
    argument: "<format>",
    help: "text or json (default: text)",
  },
  onConflict: {
    section: quorate,
    name: "on_conflict",
    env: "QUORATE_ON_CONFLICT",
    flag: "onConflict",
    option: "--on-conflict",
    argument: "<keep|halt>",
    help: "when a leader demands that committed entries go (default: keep)",
  },
  logCompactionMinEntries: {
    section: quorate,
    name: "log_compaction_min_entries",
    env: "QUORATE_LOG_COMPACTION_MIN_ENTRIES",
    flag: "logCompactionMinEntries",
    option: "--log-compaction-min-entries",
    argument: "<count>",
    help: "compact the log when it is longer than this (default: 5000)",
  },
  logCompactionMinTime: {
    section: quorate,
    name: "log_compaction_min_time",
    env: "QUORATE_LOG_COMPACTION_MIN_TIME",
    flag: "logCompactionMinTime",
    option: "--log-compaction-min-time",
    argument: "<seconds>",
    help: "… or so long after the last time (default: 300)",
  },
  maxEntryBytes: {
    section: quorate,
    name: "max_entry_bytes",
    env: "QUORATE_MAX_ENTRY_BYTES",
    flag: "maxEntryBytes",
    option: "--max-entry-bytes",
    argument: "<bytes>",
    help: "largest entry of the log that is taken (default: 8388608)",
  },
  maxDataBytes: {
    section: quorate,
    name: "max_data_bytes",
    env: "QUORATE_MAX_DATA_BYTES",
    flag: "maxDataBytes",
    option: "--max-data-bytes",
    argument: "<bytes>",
    help: "most data that is held (default: 268435456)",
  },
} as const satisfies Record<string, Setting>;

export const settings = { ...patroniSettings, ...ownSettings };

export type SettingName = keyof typeof settings;

export const settingList: readonly Setting[] = Object.values<Setting>(settings);

/** Keys that Patroni itself may put into `raft:`; they mean nothing here, and need no warning. */
export const ignoredRaftKeys: ReadonlySet<string> = new Set([
  "namespace",
  "name",
  "scope",
  "patronictl",
  "commandsWaitLeader",
]);

/** As shown in messages: `raft.self_addr`. */
export function settingKey(setting: Setting): string {
  return setting.section === "" ? setting.name : `${setting.section}.${setting.name}`;
}
