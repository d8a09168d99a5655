import type { Command } from "commander";
import { findContact } from "./asking.js";
import { addClientOptions, readClient } from "./client-options.js";
import type { CliContext } from "./context.js";
import { exitCode } from "./exit-codes.js";
import type { StatusView } from "./member-view.js";
import { formatPairs, formatTable, show } from "./table.js";

export function registerStatus(
  program: Command,
  context: CliContext,
  finish: (code: number) => void,
): void {
  const command = program
    .command("status")
    .summary("show how a member is")
    .description("Shows the state of one member: of the first address that answers.");
  addClientOptions(command)
    .addHelpText("after", "\nExample:\n  quorate status --addr 10.0.0.1:2222,10.0.0.2:2222")
    .action(async (flags) => {
      const client = readClient(context, flags);
      const { address, status } = await findContact(context, client);
      context.out(
        client.json
          ? `${JSON.stringify({ address, ...status }, null, 2)}\n`
          : formatStatus(address, status),
      );
      finish(exitCode.ok);
    });
}

function formatStatus(address: string, status: StatusView): string {
  const pairs = formatPairs([
    ["member", status.self ?? address],
    ["software", status.software],
    ["role", show(status.role)],
    ["leader", show(status.leader)],
    ["quorum", show(status.hasQuorum)],
    ["term", show(status.term)],
    ["commit index", show(status.commitIndex)],
    ["applied index", show(status.appliedIndex)],
    ["log length", show(status.logLength)],
    ["observers", show(status.observers)],
    ["uptime", `${status.uptimeSec} s`],
    ...degradedRow(status),
  ]);
  const rows = status.members.map((member) => [
    member.address,
    show(member.connected),
    show(member.matchIndex),
    show(member.nextIndex),
  ]);
  return `${pairs}\n${formatTable(["MEMBER", "CONNECTED", "MATCH", "NEXT"], rows)}`;
}

function degradedRow({ degraded }: StatusView): [string, string][] {
  if (degraded === null) return [];
  return [["degraded", degraded.length === 0 ? "-" : degraded.join(", ")]];
}
