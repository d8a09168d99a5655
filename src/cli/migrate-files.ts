import type { Command } from "commander";
import type { CliContext } from "./context.js";
import type { OfflineFlags } from "./offline-change.js";

/** As commander collects them. */
export interface MigrateFilesFlags extends OfflineFlags {
  readonly to?: string;
  readonly json?: boolean;
}

const importDescription = `Makes a stopped member's files Quorate's: checksums over the journal, term and
vote durable, with the highest term of any entry where PySyncObj up to 0.3.15
has stored none. The first start of \`quorate run\` on these files does just that
by itself: the command is there to see beforehand what comes of it.`;

const exportDescription = `Makes a stopped member's files such as PySyncObj of that version writes itself,
with nothing of Quorate's in them. Every version also starts on what a clean stop
of Quorate leaves. Export does what is left to do after a crash, and makes room
in the journal, without which a large entry ends a member up to 0.3.15. Those
versions forget term and vote at each start: the command says which.`;

const common = `
The member has to be stopped: its lock is taken. The files as they were stay
beside, in the folder ADDRESS.before-WHAT-TIME. Where nothing is due nothing is
changed, so it can be run again. Damaged files are refused: see quorate verify.

Exit codes: 0 done, or nothing is due; 4 with --dry-run: something is due;
1 refused (in use, another user's files, damaged, or answered with no);
2 wrong usage, or nobody is there to be asked; 130 ended by Ctrl-C, without harm.
`;

export function registerMigrateFiles(
  group: Command,
  context: CliContext,
  finish: (code: number) => void,
): void {
  const run = async (path: string, flags: MigrateFilesFlags) => {
    // Loaded when needed: the other commands do without files and the store.
    const { convertFiles } = await import("./migrate-files-run.js");
    finish(await convertFiles(context, path, flags));
  };
  withOptions(group.command("import"))
    .summary("make a stopped member's files Quorate's")
    .description(importDescription)
    .addHelpText(
      "after",
      `${common}\nExample:\n  quorate migrate import /var/lib/patroni/raft --dry-run`,
    )
    .action(run);
  withOptions(group.command("export"))
    .summary("make a stopped member's files PySyncObj's")
    .description(exportDescription)
    .requiredOption("--to <version>", "of PySyncObj: 0.3.8 to 0.3.17")
    .addHelpText(
      "after",
      `${common}\nExample:\n  quorate migrate export /var/lib/patroni/raft --to 0.3.15 --dry-run`,
    )
    .action(run);
}

function withOptions(command: Command): Command {
  return command
    .argument("<path>", "the data directory, or <data_dir>/<self_addr>")
    .option("--dry-run", "show what would be done, and change nothing")
    .option("--yes", "do it without asking")
    .option("--json", "print JSON; needs --yes or --dry-run");
}
