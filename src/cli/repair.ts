import type { Command } from "commander";
import type { CliContext } from "./context.js";

/** As commander collects them. */
export interface RepairFlags {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly alone?: boolean;
  readonly certainlyAlone?: boolean;
  readonly config?: string;
  readonly json?: boolean;
}

const description = `Mends what verify finds where that is safe: a torn tail, a wrong end offset, a damaged header, an
unreadable meta file, or one of Quorate or PySyncObj from 0.3.16 on that is missing (the highest
term of any entry, and no vote), a dump that nobody needs, a journal that does not begin where the
dump ends. Each mend is explained and has to be confirmed. What needs a human is named, and then
nothing is done.

The member has to be stopped: its lock is taken. Each file that changes is kept as it was, beside,
as NAME.before-repair-<time>. Ctrl-C ends it without harm. Where something acknowledged may be
missing the member is marked: Quorate then neither votes nor leads before a leader has completed it.
PySyncObj's members do not know that mark: do not start one on such files. In a cluster of one there
is no leader: --alone lets the member go on as it is. That is refused where its files, --config or
PATRONI_RAFT_* name other members, and without a readable dump, which would name them, --config is
needed.`;

const examples = `
Exit codes: 0 nothing has to be mended, or all is mended; 4 with --dry-run: there is something to mend;
5 a human has to decide, nothing was changed; 1 refused (in use, another user's files, --alone and
other members are named, or answered with no; --dry-run too, which shows the plan all the same) or
failed; 2 wrong usage, or nobody is there to be asked; 130 ended by Ctrl-C, without harm.

Examples:
  quorate repair /var/lib/patroni/raft --dry-run
  quorate repair /var/lib/patroni/raft/10.0.0.3:2222 --yes
  quorate repair /var/lib/patroni/raft --alone --config /etc/patroni/patroni.yml --yes`;

export function registerRepair(
  program: Command,
  context: CliContext,
  finish: (code: number) => void,
): void {
  program
    .command("repair")
    .summary("mend a member's files where that is safe")
    .description(description)
    .argument("<path>", "a data directory, or <data_dir>/<self_addr>")
    .option("--dry-run", "only say what would be done")
    .option("--yes", "confirm every mend")
    .option(
      "--alone",
      "the member is its whole cluster: no leader can complete it, it goes on as it is",
    )
    .option(
      "--config <patroni.yml>",
      "with --alone: Patroni's file, which must name no other member",
    )
    .option("--certainly-alone", "with --alone: whatever other members files or configuration name")
    .option("--json", "print JSON; needs --yes or --dry-run")
    .addHelpText("after", examples)
    .action(async (path: string, flags: RepairFlags) => {
      // Loaded when needed: the other commands do without files and the store.
      const { runRepair } = await import("./repair-run.js");
      finish(await runRepair(context, path, flags));
    });
}
