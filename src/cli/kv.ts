import type { Command } from "commander";
import type { CliContext } from "./context.js";
import { registerKvDelete } from "./kv-delete.js";
import { registerKvGet } from "./kv-get.js";
import { registerKvLs } from "./kv-ls.js";
import { registerKvPut } from "./kv-put.js";
import { registerKvWatch } from "./kv-watch.js";

export function registerKv(
  program: Command,
  context: CliContext,
  finish: (code: number) => void,
): void {
  const group = program
    .command("kv")
    .summary("read, write and watch the data")
    .description(
      "The replicated dictionary from the shell, as an observer of the cluster. Any member's address\n" +
        "will do, Quorate's or PySyncObj's: it tells of the others. The leader has to be reached. What is\n" +
        "read is this observer's own copy, which holds all that the leader had committed when it connected.",
    )
    .helpCommand("help [command]", "print help for a command")
    .addHelpText("after", "\nExamples:\n  quorate kv ls --tree --addr 10.0.0.1:2222");
  registerKvGet(group, context, finish);
  registerKvPut(group, context, finish);
  registerKvDelete(group, context, finish);
  registerKvWatch(group, context, finish);
  registerKvLs(group, context, finish);
}
