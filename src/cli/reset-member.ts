import type { Command } from "commander";
import { addClientOptions, type ClientFlags } from "./client-options.js";
import type { CliContext } from "./context.js";
import { addOfflineOptions, type OfflineFlags } from "./offline-change.js";

const description = `For a member whose files are to be thrown away: sets them aside, in a folder beside them, so that
the member starts empty and takes everything from the leader. It keeps its term and vote, and votes
for nobody before a leader has brought it up to date: so it can break no promise that it made.

Stop the member first. The command asks the cluster whether it has a leader without this member, and
does nothing otherwise. Of two members none leads alone: there it compares what the other one knows
as committed with these files, and says what of them cannot be read. Without --yes nothing changes.

A member that PySyncObj runs does not know that it may not vote while it is empty: let Quorate run
it until it has caught up, or remove it from the cluster and add it again.`;

const example = `
Exit codes: 0 done, or --dry-run found no obstacle; 1 refused (in use, another user's files, or the
rest needs this member) or failed; 2 wrong usage; 130 ended by Ctrl-C, nothing was changed. After a
crash run it again.

Example:
  quorate reset-member /var/lib/patroni/raft --config /etc/patroni/patroni.yml --dry-run
  quorate reset-member /var/lib/patroni/raft --addr 10.0.0.2:2222 --yes`;

export type ResetFlags = OfflineFlags & ClientFlags & { readonly acceptUncompared?: boolean };

export function registerResetMember(
  program: Command,
  context: CliContext,
  finish: (code: number) => void,
): void {
  const command = program
    .command("reset-member")
    .summary("empty a member's data directory, so that it starts anew")
    .description(description);
  addOfflineOptions(addClientOptions(command))
    .option(
      "--accept-uncompared",
      "of two members: also where these files do not say what they hold",
    )
    .addHelpText("after", example)
    .action(async (path: string, flags: ResetFlags) => {
      const { reset } = await import("./reset-files.js");
      finish(await reset(context, path, flags));
    });
}
