import type { Command } from "commander";
import type { CliContext } from "./context.js";

const description = `Checks every rule that a member's files have to keep and that can be checked without the others:
structure, sizes, order, checksums, terms, commit index within the log, dump and journal without a
gap between them, the dump's data equal to the fold of the log where it reaches back so far. Takes
the same PATH as inspect, only reads, and may be used while the member runs. Each finding has a
stable code, says what it means and what to do next; docs/tools.md lists all of them.`;

const examples = `
Exit codes: 0 nothing wrong was found (there may be notes); 4 warnings; 5 damage; 1 the files cannot be
read; 2 wrong usage; 130 ended by Ctrl-C.

Examples:
  quorate verify /var/lib/patroni/raft
  quorate verify /var/lib/patroni/raft --json | jq -r '.members[].findings[].code'`;

export function registerVerify(
  program: Command,
  context: CliContext,
  finish: (code: number) => void,
): void {
  program
    .command("verify")
    .summary("check a member's files")
    .description(description)
    .argument("<path>", "a data directory, a file of a member, or <data_dir>/<self_addr>")
    .option("--json", "print JSON")
    .addHelpText("after", examples)
    .action(async (path: string, flags: { readonly json?: boolean }) => {
      // Loaded when needed: the other commands do without files and the store.
      const { printVerdict } = await import("./verify-report.js");
      finish(await printVerdict(context, path, flags.json === true));
    });
}
