import type { Command } from "commander";
import { isAddress } from "../node/config-address.js";
import { runChange } from "./change.js";
import { addClientOptions, readClient } from "./client-options.js";
import type { CliContext } from "./context.js";
import { CliError, exitCode } from "./exit-codes.js";

export function registerRemove(
  program: Command,
  context: CliContext,
  finish: (code: number) => void,
): void {
  const command = program
    .command("remove")
    .summary("remove a member from the cluster")
    .description(
      "Removes ADDR from the members. Stop that member first: one that still runs, or starts again,\n" +
        "adds itself back. The leader cannot be removed: transfer leadership first.",
    )
    .argument("<addr>", "the member to remove, as `quorate members` shows it");
  addClientOptions(command)
    .addHelpText("after", "\nExample:\n  quorate remove 10.0.0.4:2222 --addr 10.0.0.1:2222")
    .action(async (address: string, flags) => {
      if (!isAddress(address)) {
        throw new CliError(`${JSON.stringify(address)} is no address: give host:port`, {
          code: exitCode.usage,
        });
      }
      const change = {
        request: ["remove", address],
        subject: { address, wanted: "gone" },
        done: `${address} is no member any more`,
      } as const;
      finish(await runChange(context, readClient(context, flags), change));
    });
}
