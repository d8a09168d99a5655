import type { Command } from "commander";
import { loadClientConfig } from "../node/config.js";
import { readAddressList } from "../node/config-address.js";
import { readConfigPath, readPasswordFile } from "../node/config-read.js";
import { ConfigError } from "../node/config-types.js";
import type { CliContext } from "./context.js";
import { CliError, exitCode } from "./exit-codes.js";

/** How long one question may take unless `--timeout` says otherwise. */
const questionSecDefault = 10;
const questionSecMax = 3600;

/** As commander collects them. */
export interface ClientFlags {
  readonly addr?: readonly string[];
  readonly config?: string;
  readonly password?: string;
  readonly passwordFile?: string;
  readonly timeout: string;
  readonly json?: boolean;
}

/** Whom to ask, and how. */
export interface Client {
  readonly addresses: readonly string[];
  readonly password: string | null;
  readonly timeoutMs: number;
  readonly json: boolean;
  /** As the members' configuration has them. */
  readonly maxEntryBytes: number;
  readonly maxDataBytes: number;
}

export function collect(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}

export function addClientOptions(command: Command): Command {
  return command
    .option(
      "--addr <host:port>",
      "a member to ask; repeated or comma separated: the first that answers",
      collect,
    )
    .option("--config <patroni.yml>", "take addresses and password from this file or directory")
    .option("--password <text>", "password of the cluster; better given by file or environment")
    .option("--password-file <path>", "file that holds the password of the cluster")
    .option("--timeout <seconds>", "how long to wait for an answer", String(questionSecDefault))
    .option("--json", "print JSON");
}

/**
 * Finds addresses and password: flags, else the environment (PATRONI_RAFT_*), else the file.
 *
 * @throws ConfigError, or CliError where no address is known.
 */
export function readClient(context: CliContext, flags: ClientFlags): Client {
  const config = loadClientConfig({
    file: flags.config === undefined ? undefined : readConfigPath(flags.config),
    env: context.env,
    flags: { password: flags.password, passwordFile: flags.passwordFile },
    readPasswordFile,
  });
  const addresses =
    flags.addr === undefined ? config.addresses : parseAddresses("--addr", flags.addr);
  if (addresses.length === 0) {
    const missing =
      flags.config === undefined
        ? "no member to ask: give --addr host:port, or --config with Patroni's file"
        : `${flags.config} names no member (raft.self_addr, raft.partner_addrs): give another, or --addr host:port`;
    throw new CliError(missing, { code: exitCode.usage });
  }
  return {
    addresses,
    password: config.password,
    timeoutMs: Math.ceil(parseSeconds("--timeout", flags.timeout) * 1000),
    json: flags.json === true,
    maxEntryBytes: config.entryBytesMax,
    maxDataBytes: config.dataBytesMax,
  };
}

/** @throws ConfigError that names the flag. */
export function parseAddresses(flag: string, texts: readonly string[]): string[] {
  const list = readAddressList(texts.join(","));
  if (!Array.isArray(list)) {
    throw new ConfigError(`${flag} holds ${JSON.stringify(list.found)} but must be host:port`);
  }
  return list;
}

/**
 * @returns seconds.
 * @throws ConfigError that names the flag.
 */
export function parseSeconds(flag: string, text: string): number {
  const sec = /^[0-9]*\.?[0-9]+$/.test(text) ? Number(text) : 0;
  if (!(sec > 0 && sec <= questionSecMax)) {
    throw new ConfigError(
      `${flag} is ${JSON.stringify(text)} but must be seconds, more than 0 and at most ${questionSecMax}`,
    );
  }
  return sec;
}
