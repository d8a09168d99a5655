import type { Command } from "commander";
import type { CliContext } from "./context.js";
import { CliError, exitCode } from "./exit-codes.js";
import { addOfflineOptions, type OfflineFlags } from "./offline-change.js";

/** As commander collects them. */
export interface RecoverFlags extends OfflineFlags {
  readonly forceNewCluster?: boolean;
  readonly acceptIncomplete?: boolean;
  readonly config?: string;
  readonly json?: boolean;
}

const description = `For a cluster whose majority is lost for good. Makes of ONE survivor's data directory a cluster in
which it is alone, with a higher term; then the others are added again, with empty directories.

What the lost members had acknowledged and this one never received is gone, and nobody can tell how
much that is. Of several survivors take the one whose LAST ENTRY HAS THE HIGHEST TERM, and of those
the one whose log is longest: quorate doctor DIR DIR names it. A longer log of a lower term lacks
what the others have acknowledged since. Two that are both made new clusters are a split brain: do
it once. The command refuses while another member of the old cluster still answers. Only a dump
names all of them: where there is none, or a damaged one, or a part of the log is missing, give
--config as well: the members of a first start stand in the configuration only.

The files as they were, and recovery.json with what was done, stay in a folder beside them. Without
--yes nothing is changed; --dry-run ends with 1 where --yes would refuse, and says why. Ctrl-C
leaves everything as it was. Where a crash has ended it amid the last steps, run it again.`;

const example = `
Exit codes: 0 done, done already, or --dry-run found no obstacle; 1 refused (in use, another user's
files, another member answers, files that lack entries, a full disk) or failed; 2 wrong usage;
130 ended by Ctrl-C, nothing was changed.

Example:
  quorate recover /var/lib/patroni/raft --force-new-cluster --config /etc/patroni.yml --dry-run
  quorate recover /var/lib/patroni/raft --force-new-cluster --config /etc/patroni.yml --yes`;

export function registerRecover(
  program: Command,
  context: CliContext,
  finish: (code: number) => void,
): void {
  const command = program
    .command("recover")
    .summary("make a cluster of its own from one survivor's files")
    .description(description);
  addOfflineOptions(command)
    .option("--force-new-cluster", "say that you mean it: the old cluster is given up")
    .option("--accept-incomplete", "also where the files themselves lack acknowledged entries")
    .option("--config <patroni.yml>", "Patroni's file: its partner_addrs must not answer either")
    .option("--json", "print JSON")
    .addHelpText("after", example)
    .action(async (path: string, flags: RecoverFlags) => {
      if (flags.forceNewCluster !== true) {
        throw new CliError(
          "give --force-new-cluster as well: the old cluster is given up for good, and what this " +
            "member has not received is lost. Where a majority of the members can still be started, " +
            "start them instead",
          { code: exitCode.usage },
        );
      }
      const { recover } = await import("./recover-files.js");
      finish(await recover(context, path, flags));
    });
}
