import type { Command } from "commander";
import { quorateVersion } from "../node/version.js";
import { type BackupResult, backUp } from "../tools/backup/back-up.js";
import { addClientOptions } from "./client-options.js";
import type { CliContext } from "./context.js";
import { CountProgress, untilInterrupted } from "./count-progress.js";
import { CliError, exitCode } from "./exit-codes.js";
import { writingFault } from "./faults.js";
import { type ClientFlags, type KvSession, printJson, withClient } from "./kv-session.js";

interface BackupFlags extends ClientFlags {
  readonly force?: boolean;
  readonly prefix: string;
}

export function registerBackup(
  program: Command,
  context: CliContext,
  finish: (code: number) => void,
): void {
  const command = program
    .command("backup")
    .summary("copy all data into a file")
    .description(
      "Takes a consistent copy of the data, as of one log index, while the cluster goes on: through\n" +
        "any member, Quorate's or PySyncObj's, as an observer. FILE is there when it is complete and\n" +
        "synced, and is readable by its owner only. It holds what the cluster's links hold: keep it\n" +
        "as you keep the data. quorate restore reads it.",
    )
    .argument("<file>", "where the copy goes; a file that is there is refused")
    .option("--prefix <text>", "only the keys that begin with it", "")
    .option("--force", "replace FILE where it is there");
  addClientOptions(command)
    .addHelpText(
      "after",
      "\nExit codes: 0 FILE is there; 1 nobody answered, or FILE is there already or cannot be written;\n" +
        "2 wrong usage; 130 ended by Ctrl-C, no file was written.\n" +
        "\nExamples:\n  quorate backup /var/backups/dcs.backup --addr 10.0.0.1:2222\n" +
        "  quorate backup demo.backup --prefix /service/demo/ --json --config /etc/patroni/patroni.yml",
    )
    .action(async (path: string, flags: BackupFlags) => {
      finish(await withClient(context, flags, (session) => run(session, path, flags)));
    });
}

async function run(session: KvSession, path: string, flags: BackupFlags): Promise<number> {
  const { context, client } = session;
  const snapshot = client.snapshot();
  const progress = new CountProgress(context, {
    ...{ doing: "backup", total: snapshot.size, unit: "keys" },
  });
  try {
    const result = await untilInterrupted(context, async (signal) => {
      try {
        return await backUp(snapshot, {
          ...{ path, force: flags.force === true, prefix: flags.prefix, signal },
          ...{ software: quorateVersion, takenSec: Date.now() / 1000 },
          onProgress: (looked) => progress.show(looked),
        });
      } catch (error) {
        if (!signal.aborted) throw writingFault(error, path);
        const message = "stopped: no file was written";
        throw new CliError(message, { code: exitCode.interrupted, cause: error });
      }
    });
    progress.clear();
    report(session, result);
    return exitCode.ok;
  } finally {
    progress.clear();
    snapshot.end();
  }
}

function report({ context, options }: KvSession, result: BackupResult): void {
  const { header, path, entries, bytes, sha256 } = result;
  if (options.json) {
    printJson(context, { path, entries, bytes, sha256, ...header });
    return;
  }
  const { appliedIndex, term, leader } = header;
  const from = `log index ${appliedIndex}, term ${term}, from ${leader ?? "no leader"}`;
  context.out(`${entries} keys as of ${from}\n${bytes} bytes in ${path}\nsha256 ${sha256}\n`);
}
