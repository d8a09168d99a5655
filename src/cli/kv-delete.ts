import type { Command } from "commander";
import { ConfigError } from "../node/config-types.js";
import { type Conditions, holdNow } from "../tools/conditions.js";
import type { CliContext } from "./context.js";
import { CliError, exitCode } from "./exit-codes.js";
import { addConditionOptions, type ConditionFlags, readConditions } from "./kv-conditions.js";
import {
  type ClientFlags,
  type KvSession,
  kvCommand,
  printJson,
  showValue,
  withClient,
  write,
} from "./kv-session.js";

interface DeleteFlags extends ClientFlags, ConditionFlags {
  readonly recursive?: boolean;
  readonly dryRun?: boolean;
}

export function registerKvDelete(
  group: Command,
  context: CliContext,
  finish: (code: number) => void,
): void {
  const command = kvCommand(group, {
    name: "delete",
    summary: "delete a key, or all with a prefix",
    description:
      "Deletes KEY. Ends with 1 where there is no such key or a condition does not hold, and with 3\n" +
      "where the leader was lost before it answered: then the key may be deleted or not. With\n" +
      "--recursive every key goes that begins with KEY, which is a plain prefix as in Patroni:\n" +
      "/service/demo takes /service/demo2 along, /service/demo/ does not.",
    exits:
      "0 deleted; 1 not deleted; 2 wrong usage; 3 it may be deleted or not; 130 Ctrl-C, which says what is known",
  })
    .argument("<key>", "the whole key, or with --recursive the prefix")
    .option("--recursive", "delete every key that begins with KEY")
    .option("--dry-run", "show what would be deleted, and change nothing");
  addConditionOptions(command, false)
    .addHelpText(
      "after",
      "\nExamples:\n  quorate kv delete /demo/lock --prev-value me --addr 10.0.0.1:2222\n" +
        "  quorate kv delete /service/old/ --recursive --dry-run --addr 10.0.0.1:2222",
    )
    .action(async (key: string, flags: DeleteFlags) => {
      const recursive = flags.recursive === true;
      const conditions = readConditions(flags);
      if (recursive && (key === "" || Object.keys(conditions).length > 0)) {
        const what =
          key === "" ? "an empty prefix" : "conditions, which Patroni's call ignores then";
        throw new ConfigError(`--recursive does not go with ${what}`);
      }
      const code = await withClient(context, flags, async (session) => {
        if (flags.dryRun === true) return showPlan(session, { key, recursive, conditions });
        const { length } = affected(session, key, recursive);
        const { result, index } = await write(session, (timeoutMs) =>
          session.client.delete(key, { recursive, ...conditions, timeoutMs }),
        );
        return report(session, { key, recursive, isDone: result, index, count: length });
      });
      finish(code);
    });
}

/** By the own copy, a moment before. */
function affected({ client }: KvSession, key: string, recursive: boolean): readonly string[] {
  if (recursive) return client.list(key).map(([each]) => each);
  return client.get(key) === null ? [] : [key];
}

function showPlan(
  session: KvSession,
  {
    key,
    recursive,
    conditions,
  }: { readonly key: string; readonly recursive: boolean; readonly conditions: Conditions },
): number {
  const { context, client, options } = session;
  const isHeld = recursive || holdNow(client.get(key), conditions);
  const keys = isHeld ? affected(session, key, recursive) : [];
  if (options.json) printJson(context, { wouldDelete: keys });
  else if (keys.length === 0) throw nothingDeleted(key, recursive);
  else for (const each of keys) context.out(`would delete ${showValue(each)}\n`);
  return keys.length > 0 ? exitCode.ok : exitCode.failed;
}

function nothingDeleted(key: string, recursive: boolean): CliError {
  const name = JSON.stringify(key);
  const why = recursive
    ? `no key begins with ${name}`
    : `there is no key ${name}, or the conditions do not hold`;
  return new CliError(`${why}: nothing was deleted`);
}

interface Deletion {
  readonly key: string;
  readonly recursive: boolean;
  readonly isDone: boolean;
  readonly index: number;
  readonly count: number;
}

function report({ context, options }: KvSession, deletion: Deletion): number {
  const { key, recursive, isDone, index, count } = deletion;
  if (options.json) {
    printJson(context, { key, done: isDone, ...(isDone ? { index } : {}) });
    return isDone ? exitCode.ok : exitCode.failed;
  }
  if (!isDone) throw nothingDeleted(key, recursive);
  const what = recursive ? `${count} keys that begin with ` : "";
  context.out(`deleted ${what}${JSON.stringify(key)} (index ${index})\n`);
  return exitCode.ok;
}
