import type { Command } from "commander";
import { runChange } from "./change.js";
import { addClientOptions, readClient } from "./client-options.js";
import type { CliContext } from "./context.js";
import { CliError, exitCode } from "./exit-codes.js";

export function registerSetVersion(
  program: Command,
  context: CliContext,
  finish: (code: number) => void,
): void {
  const command = program
    .command("set-version")
    .summary("switch the cluster to a code version")
    .description(
      "Switches all members to code version N, once all run software that has it. Patroni's\n" +
        "replicated dictionary has only version 0.",
    )
    .argument("<n>", "the code version, a whole number");
  addClientOptions(command)
    .addHelpText("after", "\nExample:\n  quorate set-version 0 --addr 10.0.0.1:2222")
    .action(async (text: string, flags) => {
      const version = /^[0-9]{1,9}$/.test(text) ? Number(text) : -1;
      if (version < 0) {
        throw new CliError(
          `${JSON.stringify(text)} is no code version: give a whole number from 0`,
          { code: exitCode.usage },
        );
      }
      const done = `code version ${version} is enabled`;
      const change = { request: ["set_version", version], subject: null, done };
      finish(await runChange(context, readClient(context, flags), change));
    });
}
