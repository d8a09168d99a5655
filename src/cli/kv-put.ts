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

interface PutFlags extends ClientFlags, ConditionFlags {
  readonly ttl?: string;
  readonly dryRun?: boolean;
}

export function registerKvPut(
  group: Command,
  context: CliContext,
  finish: (code: number) => void,
): void {
  const command = kvCommand(group, {
    name: "put",
    summary: "set a key",
    description:
      "Sets KEY to VALUE, or to what standard input holds where VALUE is -. The cluster judges the\n" +
      "conditions: where they do not hold nothing changes, and the command ends with 1. It ends with\n" +
      "3 where the leader was lost before it answered: then the key may be set or not.",
    exits:
      "0 set; 1 not set; 2 wrong usage; 3 it may be set or not; 130 Ctrl-C, which says what is known",
  })
    .argument("<key>", "the whole key")
    .argument("<value>", "text, or - for standard input, as it is")
    .option("--ttl <seconds>", "the leader removes the key after this time")
    .option("--dry-run", "say whether the conditions hold now, and change nothing");
  addConditionOptions(command, true)
    .addHelpText(
      "after",
      "\nExamples:\n  quorate kv put /demo/greeting hello --addr 10.0.0.1:2222\n" +
        "  quorate kv put /demo/lock me --prev-exist false --ttl 30 --addr 10.0.0.1:2222\n" +
        "  quorate kv put /service/demo/config - --prev-index 42 --addr 10.0.0.1:2222 < config.json",
    )
    .action(async (key: string, text: string, flags: PutFlags) => {
      // `get` and `delete` take it: what another program has set can be seen, and taken away.
      if (key === "")
        throw new ConfigError("the key is empty: give KEY (a variable without a value?)");
      const ttl = flags.ttl === undefined ? {} : { ttl: readTtl(flags.ttl) };
      const conditions = readConditions(flags);
      const value = text === "-" ? await context.stdin() : text;
      const code = await withClient(context, flags, async (session) => {
        if (flags.dryRun === true) return showPlan(session, key, conditions);
        const { result, index } = await write(session, (timeoutMs) =>
          session.client.set(key, value, { ...conditions, ...ttl, timeoutMs }),
        );
        if (session.options.json) {
          printJson(context, { key, done: result !== false, ...(result === false ? {} : result) });
        } else if (result !== false) context.out(`set ${JSON.stringify(key)} (index ${index})\n`);
        if (result !== false) return exitCode.ok;
        if (session.options.json) return exitCode.failed;
        throw holdsNot(key);
      });
      finish(code);
    });
}

function showPlan({ context, client, options }: KvSession, key: string, conditions: Conditions) {
  const found = client.get(key);
  const wouldSet = holdNow(found, conditions);
  if (options.json) printJson(context, { key, wouldSet, before: found });
  else if (!wouldSet) throw holdsNot(key);
  else if (found === null) context.out(`would set ${JSON.stringify(key)}, which is not there\n`);
  else context.out(`would set ${JSON.stringify(key)}, which is ${showValue(found.value)}\n`);
  return wouldSet ? exitCode.ok : exitCode.failed;
}

function holdsNot(key: string): CliError {
  return new CliError(`the conditions do not hold: ${JSON.stringify(key)} stays as it is`);
}

function readTtl(text: string): number {
  const sec = /^[0-9]*\.?[0-9]+$/.test(text) ? Number(text) : 0;
  if (sec > 0 && Number.isFinite(sec)) return sec;
  throw new ConfigError(`--ttl is ${JSON.stringify(text)} but must be seconds, more than 0`);
}
