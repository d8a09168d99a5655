import type { Command } from "commander";
import type { KvChange } from "../client/watch.js";
import { ConfigError } from "../node/config-types.js";
import type { CliContext } from "./context.js";
import { exitCode } from "./exit-codes.js";
import {
  type ClientFlags,
  type KvSession,
  kvCommand,
  showValue,
  withClient,
} from "./kv-session.js";
import { tellOfLeader } from "./leader-notice.js";

interface WatchFlags extends ClientFlags {
  readonly current?: boolean;
  readonly count?: string;
}

export function registerKvWatch(
  group: Command,
  context: CliContext,
  finish: (code: number) => void,
): void {
  kvCommand(group, {
    name: "watch",
    summary: "print changes as they happen",
    description:
      "Prints each change of the keys that begin with PREFIX (without it: of all), until Ctrl-C: log\n" +
      "index, set or delete, key, value. Each change comes once and in order, also when links break\n" +
      "and leaders change. Only where the observer was away for longer than the leader keeps its log\n" +
      "several changes of a key become one, marked 'after a gap'. With --json a line is an object.\n" +
      "While there is no leader it waits, and says so on standard error.",
    exits:
      "0 ended by --count or Ctrl-C; 1 nobody answered; 2 wrong usage; 130 Ctrl-C before it was connected",
  })
    .argument("[prefix]", "what the keys begin with", "")
    .option("--current", "print first what there is now, as if it were set")
    .option("--count <n>", "end after this many lines")
    .addHelpText(
      "after",
      "\nExamples:\n  quorate kv watch /service/demo/ --addr 10.0.0.1:2222\n" +
        "  quorate kv watch /service/demo/leader --current --json --addr 10.0.0.1:2222",
    )
    .action(async (prefix: string, flags: WatchFlags) => {
      const count = flags.count === undefined ? Number.POSITIVE_INFINITY : readCount(flags.count);
      const code = await withClient(context, flags, async (session) => {
        const stop = context.onInterrupt(() => void session.client.close());
        const tellNoMore = tellOfLeader(context, session.client);
        try {
          await follow(session, prefix, { count, isFromNow: flags.current !== true });
        } finally {
          tellNoMore();
          stop();
        }
        return exitCode.ok;
      });
      finish(code);
    });
}

async function follow(
  session: KvSession,
  prefix: string,
  { count, isFromNow }: { readonly count: number; readonly isFromNow: boolean },
): Promise<void> {
  const { client, context } = session;
  let left = count;
  // Opened before the present is read, in one turn: nothing falls between the two.
  const watch = client.watch(prefix);
  const { appliedIndex } = client.status();
  for (const [key, entry] of isFromNow ? [] : client.list(prefix)) {
    const index = typeof entry.index === "number" ? entry.index : appliedIndex;
    print(session, { kind: "set", key, entry, index, afterGap: false });
    left -= 1;
    if (left <= 0) return;
  }
  for await (const change of watch) {
    print(session, change);
    left -= 1;
    if (left <= 0) return;
    await context.drained();
  }
}

function print({ context, options }: KvSession, change: KvChange): void {
  if (options.json) {
    context.out(`${JSON.stringify(change)}\n`);
    return;
  }
  const { index, kind, key, entry, afterGap } = change;
  const value = entry === null ? "" : `  ${showValue(entry.value)}`;
  const gap = afterGap ? "  (after a gap)" : "";
  context.out(`${index}  ${kind.padEnd(6)}  ${showValue(key)}${value}${gap}\n`);
}

function readCount(text: string): number {
  const count = /^[0-9]{1,9}$/.test(text) ? Number(text) : 0;
  if (count > 0) return count;
  throw new ConfigError(`--count is ${JSON.stringify(text)} but must be a whole number from 1`);
}
