import type { Command } from "commander";
import type { CliContext } from "./context.js";
import type { FilterFlags } from "./entry-filter.js";
import { CliError, exitCode } from "./exit-codes.js";

/** As commander collects them. */
export interface InspectFlags extends FilterFlags {
  readonly entries?: boolean;
  readonly follow?: boolean;
  readonly at?: string;
  readonly diff?: readonly string[];
  readonly json?: boolean;
}

const description = `Shows what a member's files hold. PATH is a data directory, a journal, meta or dump file under
any name, or <data_dir>/<self_addr>. It takes the files of every PySyncObj version and of Quorate,
only reads, and may be used while the member runs. A journal is read in pieces, however large.

Without options: versions, sizes, entries, terms with each point where the term goes down, changes
of the members. With --json entries are an object a line, all else is one object.`;

const exits = `
Exit codes: 0 shown, also what is damaged; 1 the files cannot be read, or do not hold what was
asked for; 2 wrong usage; 130 ended by Ctrl-C (with --follow, which ends so, 0).
`;

const examples = `
Examples:
  quorate inspect /var/lib/patroni/raft
  quorate inspect /var/lib/patroni/raft --entries --key /service/demo/leader
  quorate inspect /var/lib/patroni/raft --entries --since 2026-01-31T09:00:00Z --json
  quorate inspect /var/lib/patroni/raft/10.0.0.3:2222.journal --entries --follow
  quorate inspect /var/lib/patroni/raft --at 1042
  quorate inspect /var/lib/patroni/raft --diff 1042 end`;

export function registerInspect(
  program: Command,
  context: CliContext,
  finish: (code: number) => void,
): void {
  program
    .command("inspect")
    .summary("show what a member's files hold")
    .description(description)
    .argument("<path>", "a data directory, a file of a member, or <data_dir>/<self_addr>")
    .option("--entries", "print the journal's entries: index, term, time, operation, key, value")
    .option("--follow", "go on with the entries that come, until Ctrl-C")
    .option("--key <prefix>", "only entries of keys that begin so")
    .option("--index <range>", "only entries of these indices: N, N..M, N.. or ..M")
    .option("--term <range>", "only entries of these terms")
    .option("--since <time>", "only entries written at this time or later (ISO 8601, or seconds)")
    .option("--until <time>", "only entries written at this time or before")
    .option("--at <index>", "print the store as it was at this index: a number, commit or end")
    .option("--diff <indexes...>", "print what is different between two indices")
    .option("--json", "print JSON")
    .addHelpText("after", exits + examples)
    .action(async (path: string, flags: InspectFlags) => {
      checkFlags(flags);
      // Loaded when needed: the other commands do without files and the store.
      if (flags.entries === true || flags.follow === true) {
        const { printEntries } = await import("./inspect-entries.js");
        await printEntries(context, path, flags);
      } else if (flags.at !== undefined || flags.diff !== undefined) {
        const { printStore } = await import("./inspect-store.js");
        await printStore(context, path, flags);
      } else {
        const { printSummary } = await import("./inspect-summary.js");
        await printSummary(context, path, flags.json === true);
      }
      finish(exitCode.ok);
    });
}

/** Of what cannot be meant together nobody can say which part is. */
function checkFlags(flags: InspectFlags): void {
  const wantsEntries = flags.entries === true || flags.follow === true;
  const modes = [wantsEntries, flags.at !== undefined, flags.diff !== undefined];
  if (modes.filter(Boolean).length > 1) {
    throw usage("--entries (or --follow), --at and --diff show different things: choose one");
  }
  const filters = [flags.key, flags.index, flags.term, flags.since, flags.until];
  if (!wantsEntries && filters.some((filter) => filter !== undefined)) {
    throw usage("--key, --index, --term, --since and --until choose among --entries");
  }
  if (flags.diff !== undefined && flags.diff.length !== 2) {
    throw usage("--diff takes two indices, behind the path: PATH --diff 1042 end");
  }
}

function usage(message: string): CliError {
  return new CliError(message, { code: exitCode.usage });
}
