import type { Command } from "commander";
import { examine, lookTwice } from "../tools/doctor/examine.js";
import { askOne } from "./asking.js";
import { addClientOptions, parseSeconds, readClient } from "./client-options.js";
import type { CliContext } from "./context.js";
import { formatLooks, jsonLooks, verdictWord } from "./doctor-report.js";
import { CliError, exitCode } from "./exit-codes.js";

const intervalSecDefault = 3;

type Flags = Parameters<typeof readClient>[1] & { readonly interval: string };

export function registerDoctor(
  program: Command,
  context: CliContext,
  finish: (code: number) => void,
): void {
  const command = program
    .command("doctor")
    .summary("say whether a cluster is well, and what to do if not")
    .description(
      "Asks all members of a live cluster for their state, twice, and says whether it is well: the\n" +
        "verdict, what it rests on, and the way out. It changes nothing. PySyncObj's members and Quorate's.\n" +
        "Given data directories of several members (or <data_dir>/<self_addr>), it compares their files.",
    )
    .argument(
      "[paths...]",
      "Patroni's configuration, in the place of --config; or data directories",
    );
  addClientOptions(command)
    .option("--interval <seconds>", "between the two looks", String(intervalSecDefault))
    .addHelpText(
      "after",
      "\nExit codes: 0 well; 4 works, but at risk; 5 something is going wrong;\n" +
        "1 nobody answered, or files cannot be read; 2 wrong usage; 130 ended by Ctrl-C.\n" +
        "\nExamples:\n  quorate doctor /etc/patroni/patroni.yml\n" +
        "  quorate doctor --addr 10.0.0.1:2222 --json\n" +
        "  quorate doctor /backup/member1 /backup/member2 /backup/member3",
    )
    .action(async (paths: readonly string[], flags: Flags) => {
      const [path] = paths;
      if (paths.length > 1 || (path !== undefined && (await holdsData(path)))) {
        const { printSideBySide } = await import("./doctor-files.js");
        finish(await printSideBySide(context, paths, flags.json === true));
        return;
      }
      const withPath = path === undefined ? flags : { ...flags, config: path };
      finish(await online(context, withPath));
    });
}

async function online(context: CliContext, flags: Flags): Promise<number> {
  const client = readClient(context, flags);
  const intervalSec = parseSeconds("--interval", flags.interval);
  const looks = await lookTwice({
    ask: (address, request) => askOne(context, client, address, request),
    addresses: client.addresses,
    intervalSec,
    sleep: (ms) => context.sleep(ms),
  });
  if (looks.after.answers.length === 0) {
    const faults = looks.after.silences.map(({ address, message }) => `${address}: ${message}`);
    throw new CliError(`no member answered: ${faults.join("; ")}`);
  }
  const findings = examine(looks);
  context.out(
    client.json
      ? `${JSON.stringify(jsonLooks(looks, findings), null, 2)}\n`
      : formatLooks(looks, findings),
  );
  return { well: exitCode.ok, risk: exitCode.risk, ill: exitCode.harm }[verdictWord(findings)];
}

/** A configuration may be a directory too: of .yml files. */
async function holdsData(path: string): Promise<boolean> {
  const [{ findData }, { nodeFileSystem }] = await Promise.all([
    import("../files/data-path.js"),
    import("../storage/node-file-system.js"),
  ]);
  return await findData(nodeFileSystem, path).then(
    () => true,
    () => false,
  );
}
