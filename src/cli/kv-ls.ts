import type { Command } from "commander";
import type { KvEntryJson } from "../store/json-view.js";
import type { CliContext } from "./context.js";
import { localTime } from "./escape.js";
import { exitCode } from "./exit-codes.js";
import { type ClientFlags, kvCommand, printJson, showValue, withClient } from "./kv-session.js";
import { formatTree } from "./kv-tree.js";
import { formatTable } from "./table.js";

interface LsFlags extends ClientFlags {
  readonly tree?: boolean;
  readonly long?: boolean;
}

export function registerKvLs(
  group: Command,
  context: CliContext,
  finish: (code: number) => void,
): void {
  kvCommand(group, {
    name: "ls",
    summary: "list keys",
    description:
      "Lists the keys that begin with PREFIX (without it: all), in order. --json prints them with\n" +
      "values and times, as GET /v1/kv does.",
    exits: "0 listed, also where there is none; 1 nobody answered; 2 wrong usage; 130 Ctrl-C",
  })
    .argument("[prefix]", "what the keys begin with", "")
    .option("--tree", "as a tree of the parts between slashes, with values")
    .option("--long", "as a table, with index, times and value")
    .addHelpText(
      "after",
      "\nExamples:\n  quorate kv ls /service/ --addr 10.0.0.1:2222\n" +
        "  quorate kv ls --tree --config /etc/patroni/patroni.yml",
    )
    .action(async (prefix: string, flags: LsFlags) => {
      const code = await withClient(context, flags, async ({ client, options }) => {
        const entries = client.list(prefix);
        if (options.json) {
          const { appliedIndex } = client.status();
          printJson(context, { appliedIndex, entries: Object.fromEntries(entries) });
        } else if (flags.tree === true) {
          context.out(formatTree(entries.map(([key, { value }]) => [key, value])));
        } else if (flags.long === true) context.out(formatLong(entries));
        else context.out(entries.map(([key]) => `${showValue(key)}\n`).join(""));
        await context.drained();
        return exitCode.ok;
      });
      finish(code);
    });
}

/** Keys with index, times and value. */
export function formatLong(entries: readonly (readonly [string, KvEntryJson])[]): string {
  const rows = entries.map(([key, entry]) => [
    key,
    String(entry.index),
    time(entry.updated),
    time(entry.expire),
    typeof entry.value === "string" ? entry.value : JSON.stringify(entry.value),
  ]);
  return formatTable(["KEY", "INDEX", "UPDATED", "EXPIRES", "VALUE"], rows);
}

/** Seconds since 1970, as Patroni writes them; anything else as it is. */
function time(value: unknown): string {
  if (value === undefined) return "-";
  const date = typeof value === "number" ? new Date(value * 1000) : new Date(Number.NaN);
  return Number.isNaN(date.getTime()) ? JSON.stringify(value) : localTime(date);
}
