import type { Command } from "commander";
import { isAddress } from "../node/config-address.js";
import { runChange } from "./change.js";
import { addClientOptions, readClient } from "./client-options.js";
import type { CliContext } from "./context.js";
import { CliError, exitCode } from "./exit-codes.js";

export function registerAdd(
  program: Command,
  context: CliContext,
  finish: (code: number) => void,
): void {
  const command = program
    .command("add")
    .summary("add a member to the cluster")
    .description(
      "Adds ADDR to the members. A member that starts with partners adds itself; this is for those\n" +
        "that could not. Counts towards the majority at once, so start the new member soon.",
    )
    .argument("<addr>", "the new member, host:port as the others reach it");
  addClientOptions(command)
    .addHelpText("after", "\nExample:\n  quorate add 10.0.0.4:2222 --addr 10.0.0.1:2222")
    .action(async (address: string, flags) => {
      if (!isAddress(address)) {
        throw new CliError(`${JSON.stringify(address)} is no address: give host:port`, {
          code: exitCode.usage,
        });
      }
      const change = {
        request: ["add", address],
        subject: { address, wanted: "member" },
        done: `${address} is a member now`,
      } as const;
      finish(await runChange(context, readClient(context, flags), change));
    });
}
