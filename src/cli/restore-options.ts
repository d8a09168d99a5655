import { type Command, Option } from "commander";
import { readPasswordFile } from "../node/config-read.js";
import { ConfigError } from "../node/config-types.js";
import type { EtcdUser } from "../tools/backup/etcd-api.js";
import type { RestoreCondition, RestoreOptions } from "../tools/backup/restore.js";
import { collect } from "./client-options.js";
import type { ClientFlags } from "./kv-session.js";

export interface RestoreFlags extends ClientFlags {
  readonly to: "raft" | "etcd" | "json" | "yaml";
  readonly etcd?: readonly string[];
  readonly etcdUser?: string;
  readonly etcdPasswordFile?: string;
  readonly out?: string;
  readonly force?: boolean;
  readonly prefix?: string;
  readonly key?: string;
  readonly ifAbsent?: boolean;
  readonly ifPresent?: boolean;
  readonly overwrite?: boolean;
  readonly prevValue?: string;
  readonly prevIndex?: string;
  readonly renewTtl?: boolean;
  readonly dryRun?: boolean;
  readonly check?: boolean;
}

export function addRestoreOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--to <where>", "a raft cluster, etcd, or text")
        .choices(["raft", "etcd", "json", "yaml"])
        .default("raft"),
    )
    .option("--etcd <url>", "etcd's address, http://host:2379; may be repeated", collect)
    .option("--etcd-user <name>", "where etcd has authentication enabled")
    .option("--etcd-password-file <file>", "that user's password")
    .option("--out <file>", "with --to json or yaml: in the place of standard output")
    .option("--force", "replace that file where it is there")
    .option("--prefix <text>", "only the keys that begin with it")
    .option("--key <key>", "only this key")
    .option("--if-absent", "set only keys that are not there")
    .option("--if-present", "set only keys that are there")
    .option("--overwrite", "set all keys, whatever is there")
    .option("--prev-value <text>", "with --key: only where it has this value")
    .option("--prev-index <n>", "with --key: only where its value has this index")
    .option("--renew-ttl", "keys with a time to live get all of it again, from now on")
    .option("--dry-run", "show what would become of each key, and change nothing")
    .option("--check", "check FILE from end to end, and do nothing else");
}

/** @throws ConfigError where options do not go together. */
export function checkRestoreFlags(flags: RestoreFlags): void {
  const { to, key } = flags;
  const isText = to === "json" || to === "yaml";
  const ways = [flags.ifAbsent, flags.ifPresent, flags.overwrite].filter((way) => way === true);
  const isOne = flags.prevValue !== undefined || flags.prevIndex !== undefined;
  refuse(key !== undefined && flags.prefix !== undefined, "--key does not go with --prefix");
  refuse(ways.length > 1, "--if-absent, --if-present and --overwrite exclude each other");
  refuse(isOne && key === undefined, "--prev-value and --prev-index need --key");
  refuse(isOne && ways.length > 0, "--prev-value and --prev-index are conditions of their own");
  refuse(to === "etcd" && flags.etcd === undefined, "--to etcd needs --etcd http://host:2379");
  refuse(to !== "etcd" && flags.etcd !== undefined, "--etcd needs --to etcd");
  const hasUser = flags.etcdUser !== undefined;
  refuse(hasUser && to !== "etcd", "--etcd-user needs --to etcd");
  refuse(
    hasUser !== (flags.etcdPasswordFile !== undefined),
    "--etcd-user and --etcd-password-file go together",
  );
  refuse(
    to === "etcd" && flags.prevIndex !== undefined,
    "--prev-index is an index of the raft log, which etcd does not know",
  );
  refuse(!isText && flags.out !== undefined, "--out needs --to json or --to yaml");
  const writing = ways.length > 0 || isOne || flags.renewTtl === true || flags.dryRun === true;
  refuse(
    isText && writing,
    `--to ${to} sets nothing: conditions, times and --dry-run mean nothing`,
  );
  chosenCondition(flags);
  for (const url of flags.etcd ?? []) {
    const isUrl = URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
    refuse(!isUrl, `--etcd is ${JSON.stringify(url)} but must be http://host:port`);
    const { username, password } = new URL(url);
    refuse(
      username !== "" || password !== "",
      "--etcd holds a name or password: give --etcd-user and --etcd-password-file",
    );
  }
}

/** Null: nothing was chosen, so that the target has to be empty. */
export function chosenCondition(flags: RestoreFlags): RestoreCondition | null {
  if (flags.overwrite === true) return {};
  if (flags.ifPresent === true) return { prevExist: true };
  if (flags.ifAbsent === true) return { prevExist: false };
  const { prevValue, prevIndex } = flags;
  if (prevValue === undefined && prevIndex === undefined) return null;
  return {
    ...(prevValue === undefined ? {} : { prevValue }),
    ...(prevIndex === undefined ? {} : { prevIndex: readIndex(prevIndex) }),
  };
}

export function selectionOf(flags: RestoreFlags): RestoreOptions["selection"] {
  return flags.key === undefined ? { prefix: flags.prefix ?? "" } : { key: flags.key };
}

function readIndex(text: string): number {
  if (/^[0-9]{1,15}$/.test(text)) return Number(text);
  throw new ConfigError(`--prev-index is ${JSON.stringify(text)} but must be a whole number`);
}

function refuse(isWrong: boolean, why: string): void {
  if (isWrong) throw new ConfigError(why);
}

/** @throws ConfigError where the password's file cannot be read. */
export function etcdUserOf({ etcdUser, etcdPasswordFile }: RestoreFlags): EtcdUser | null {
  if (etcdUser === undefined || etcdPasswordFile === undefined) return null;
  try {
    const password = readPasswordFile(etcdPasswordFile).replace(/\r?\n$/, "");
    return { name: etcdUser, password };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const message = `--etcd-password-file ${etcdPasswordFile} cannot be read: ${reason}`;
    throw new ConfigError(message, { cause: error });
  }
}
