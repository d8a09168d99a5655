import type { Command } from "commander";
import type { CliContext } from "./context.js";
import { CliError, exitCode } from "./exit-codes.js";
import { kvCommand, printJson, withClient } from "./kv-session.js";

export function registerKvGet(
  group: Command,
  context: CliContext,
  finish: (code: number) => void,
): void {
  kvCommand(group, {
    name: "get",
    summary: "print the value of a key",
    description:
      "Prints the value of KEY, with --json also its times and its index. Where there is no such key it\n" +
      'ends with 1, and --json prints {"key": …, "exists": false}; where nobody answered, nothing.',
    exits: "0 printed; 1 there is no such key, or nobody answered; 2 wrong usage; 130 Ctrl-C",
  })
    .argument("<key>", "the whole key")
    .addHelpText(
      "after",
      "\nExamples:\n  quorate kv get /service/demo/leader --addr 10.0.0.1:2222\n" +
        "  quorate kv get /service/demo/config --config /etc/patroni/patroni.yml --json",
    )
    .action(async (key: string, flags) => {
      const code = await withClient(context, flags, async ({ options, client }) => {
        const entry = client.get(key);
        if (entry === null) {
          if (!options.json) throw new CliError(`there is no key ${JSON.stringify(key)}`);
          printJson(context, { key, exists: false });
          return exitCode.failed;
        }
        if (options.json) printJson(context, { key, exists: true, ...entry });
        else {
          // As it is stored, so that it can be piped on.
          const { value } = entry;
          context.out(`${typeof value === "string" ? value : JSON.stringify(value)}\n`);
        }
        return exitCode.ok;
      });
      finish(code);
    });
}
