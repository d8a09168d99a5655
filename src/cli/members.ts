import type { Command } from "commander";
import { askMembers, findContact } from "./asking.js";
import { addClientOptions, readClient } from "./client-options.js";
import type { CliContext } from "./context.js";
import { exitCode } from "./exit-codes.js";
import { formatTable, show } from "./table.js";

export function registerMembers(
  program: Command,
  context: CliContext,
  finish: (code: number) => void,
): void {
  const command = program
    .command("members")
    .summary("list the members of the cluster")
    .description(
      "Lists the members as one of them sees them: CONNECTED is whether that one has a link to them.",
    );
  addClientOptions(command)
    .addHelpText("after", "\nExample:\n  quorate members --config /etc/patroni/patroni.yml")
    .action(async (flags) => {
      const client = readClient(context, flags);
      const contact = await findContact(context, client);
      const seen = await askMembers(context, client, contact);
      const members = seen.map(({ address, leader, connected }) => ({
        address,
        leader,
        connected,
      }));
      if (client.json) {
        context.out(`${JSON.stringify({ address: contact.address, members }, null, 2)}\n`);
      } else {
        const rows = members.map((member) => [
          member.address,
          member.leader ? "leader" : "-",
          show(member.connected),
        ]);
        context.out(formatTable(["MEMBER", "ROLE", "CONNECTED"], rows));
      }
      finish(exitCode.ok);
    });
}
