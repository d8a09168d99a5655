import { addressAccepted, parseHostPort, readAddressList } from "./config-address.js";
import { type Found, type Layers, readLayers } from "./config-file.js";
import { partnersMax } from "./config-limits.js";
import {
  readCompaction,
  readDataBytesMax,
  readEntryBytesMax,
  readTimeouts,
} from "./config-numbers.js";
import { readPassword } from "./config-password.js";
import { settings } from "./config-settings.js";
import {
  type ClientConfig,
  type Config,
  ConfigError,
  type ConfigSources,
  type HostPort,
} from "./config-types.js";

/**
 * Makes the configuration of a member from the texts of its file, its environment and its flags.
 *
 * @throws ConfigError with a message of one line for the operator, which never holds the password.
 */
export function loadConfig(sources: ConfigSources): Config {
  const layers = readLayers(sources);
  const { found } = layers;
  const self = found.get(settings.selfAddr);
  if (self === undefined) {
    throw new ConfigError(
      "this member has no address: set raft.self_addr in the file, PATRONI_RAFT_SELF_ADDR in the " +
        "environment or --self-addr",
    );
  }
  const selfAddr = readAddress(self);
  const partners = readPartners(found.get(settings.partnerAddrs));
  const bind = found.get(settings.bindAddr);
  const password = readPassword(layers, sources);
  return {
    selfAddr,
    bindAddr: bind === undefined ? null : readAddress(bind),
    partnerAddrs: partners.filter((address) => address !== selfAddr),
    dataDir: readText(found.get(settings.dataDir)) ?? "",
    password,
    timeouts: readTimeouts(found),
    compaction: readCompaction(found),
    entryBytesMax: readEntryBytesMax(found),
    dataBytesMax: readDataBytesMax(found),
    onConflict: readChoice(found.get(settings.onConflict), ["keep", "halt"]) ?? "keep",
    http: readHttp(found.get(settings.http)),
    log: readLog(layers),
    warnings: [...layers.warnings, ...doubts(self, selfAddr, password)],
  };
}

/** For commands that talk to members: where they may be, and the password. */
export function loadClientConfig(sources: ConfigSources): ClientConfig {
  const layers = readLayers(sources);
  const self = layers.found.get(settings.selfAddr);
  const partners = readPartners(layers.found.get(settings.partnerAddrs));
  const addresses = self === undefined ? partners : [readAddress(self), ...partners];
  return {
    addresses: [...new Set(addresses)],
    password: readPassword(layers, sources),
    entryBytesMax: readEntryBytesMax(layers.found),
    dataBytesMax: readDataBytesMax(layers.found),
  };
}

/** How `run` logs, so that what follows can be logged that way. */
export function readLog({ found }: Layers): Config["log"] {
  const level = readChoice(found.get(settings.logLevel), ["error", "warn", "info", "debug"]);
  const format = readChoice(found.get(settings.logFormat), ["text", "json"]);
  return { level: level ?? "info", format: format ?? "text" };
}

function readText(found: Found | undefined): string | null {
  if (found === undefined) {
    return null;
  }
  if (typeof found.value !== "string" || found.value.includes("\0")) {
    throw new ConfigError(`${found.source} must be text; put it in quotes if it looks otherwise`);
  }
  return found.value;
}

function readAddress(found: Found): string {
  const text = readText(found) ?? "";
  if (parseHostPort(text) === null) {
    throw new ConfigError(
      `${found.source} is ${JSON.stringify(text)} but must be ${addressAccepted}`,
    );
  }
  return text;
}

function readPartners(found: Found | undefined): string[] {
  if (found === undefined) {
    return [];
  }
  const list = readFlagOrList(found.value);
  if (!Array.isArray(list)) {
    throw new ConfigError(
      `${found.source} holds ${JSON.stringify(list.found)} but must be a list of addresses, each ` +
        `${addressAccepted}`,
    );
  }
  if (list.length > partnersMax) {
    throw new ConfigError(
      `${found.source} holds ${list.length} addresses, at most ${partnersMax} go`,
    );
  }
  return [...new Set(list)];
}

/** A repeated flag is a list of texts, each of which may be a list again. */
function readFlagOrList(value: unknown): ReturnType<typeof readAddressList> {
  const isRepeated = Array.isArray(value) && value.every((each) => typeof each === "string");
  return isRepeated ? readAddressList(value.join(",")) : readAddressList(value);
}

function readHttp(found: Found | undefined): HostPort | null {
  const text = readText(found);
  if (found === undefined || text === null) {
    return null;
  }
  // Port 0 lets the system choose: the log names the port that it chose.
  const address = parseHostPort(text, 0);
  if (address === null) {
    throw new ConfigError(
      `${found.source} is ${JSON.stringify(text)} but must be host:port, e.g. 127.0.0.1:8008`,
    );
  }
  return address;
}

function readChoice<T extends string>(found: Found | undefined, choices: readonly T[]): T | null {
  if (found === undefined) {
    return null;
  }
  const choice = choices.find((each) => each === found.value);
  if (choice === undefined) {
    const value = JSON.stringify(found.value);
    throw new ConfigError(`${found.source} is ${value} but must be one of ${choices.join(", ")}`);
  }
  return choice;
}

/** What works but is likely not meant. */
function doubts(self: Found, selfAddr: string, password: string | null): string[] {
  const result: string[] = [];
  const host = parseHostPort(selfAddr)?.host ?? "";
  if (["0.0.0.0", "::"].includes(host)) {
    result.push(
      `${self.source} is ${selfAddr}, which no other member can connect to: give the address ` +
        "that they reach this one at, and use bind_addr to choose where to listen",
    );
  }
  if (password === "") {
    result.push("the password is empty: links are encrypted, but anyone can guess the key");
  }
  return result;
}
