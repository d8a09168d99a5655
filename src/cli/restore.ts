import type { Command } from "commander";
import { BackupFile } from "../tools/backup/backup-file.js";
import { EtcdApi, EtcdError } from "../tools/backup/etcd-api.js";
import { EtcdTarget, etcdRefusal } from "../tools/backup/etcd-target.js";
import { RaftTarget } from "../tools/backup/raft-target.js";
import { prepare } from "../tools/backup/ready-entry.js";
import {
  isChosen,
  type RestoreCounts,
  RestoreError,
  type RestoreTarget,
  restore,
} from "../tools/backup/restore.js";
import { addClientOptions, parseSeconds } from "./client-options.js";
import type { CliContext } from "./context.js";
import { CountProgress, untilInterrupted } from "./count-progress.js";
import { CliError, exitCode } from "./exit-codes.js";
import { readingFault } from "./faults.js";
import { printJson, showValue, withClient } from "./kv-session.js";
import {
  addRestoreOptions,
  checkRestoreFlags,
  chosenCondition,
  etcdUserOf,
  type RestoreFlags,
  selectionOf,
} from "./restore-options.js";
import { holdsNot, writeText } from "./restore-text.js";

/** Keys under way at once: enough to share the syncs of a cluster, few enough to stop soon. */
const keysUnderWay = 32;

export function registerRestore(
  program: Command,
  context: CliContext,
  finish: (code: number) => void,
): void {
  const command = program
    .command("restore")
    .summary("put a backup into a cluster, into etcd, or show it")
    .description(
      "Checks FILE from end to end, then sets its keys one by one. Without a condition the target\n" +
        "must hold none of the chosen keys' prefix yet. A key with a time to live keeps the moment at\n" +
        "which it ends, and is left out once that is past; a leader of Quorate's lets it live for all\n" +
        "of its time at least. Created and updated times are restored, the index is that of the new\n" +
        "entry. Ctrl-C stops after the keys under way; what is set stays. --to etcd writes what\n" +
        "Patroni's etcd3 reads: same keys, same values, leases for times to live.",
    )
    .argument("<file>", "what quorate backup has written");
  addClientOptions(addRestoreOptions(command))
    .addHelpText(
      "after",
      "\nExit codes: 0 done; 1 refused or failed, or with --key not found or the condition does not hold;\n" +
        "2 wrong usage; 3 a key, which is named, may be set or not; 130 ended by Ctrl-C.\n" +
        "\nExamples:\n  quorate restore dcs.backup --addr 10.0.0.1:2222 --dry-run\n" +
        "  quorate restore dcs.backup --key /service/demo/config --overwrite --addr 10.0.0.1:2222\n" +
        "  quorate restore dcs.backup --to etcd --etcd http://10.0.0.9:2379\n" +
        "  quorate restore dcs.backup --to yaml --prefix /service/demo/",
    )
    .action(async (path: string, flags: RestoreFlags) => {
      checkRestoreFlags(flags);
      finish(await run(context, path, flags));
    });
}

async function run(context: CliContext, path: string, flags: RestoreFlags): Promise<number> {
  const file = await untilInterrupted(context, (signal) => openFile(context, path, signal));
  // Not while it connects: nothing looks at the signal then, and Ctrl-C may end the process.
  const stoppable = (work: (job: RestoreJob) => Promise<number>): Promise<number> =>
    untilInterrupted(context, (signal) => work({ context, file, flags, signal }));
  try {
    if (flags.check === true) return reportCheck(context, file, flags);
    if (flags.to === "json" || flags.to === "yaml") return await stoppable(writeText);
    if (flags.to === "etcd") {
      const timeoutMs = Math.ceil(parseSeconds("--timeout", flags.timeout) * 1000);
      const user = etcdUserOf(flags);
      const api = await EtcdApi.connect(flags.etcd ?? [], { timeoutMs, user });
      return await stoppable(async (job) => {
        await refuseWhatEtcdCannotHold(job);
        return await fill(job, new EtcdTarget(api));
      });
    }
    return await withClient(context, flags, ({ client, options }) =>
      stoppable((job) => fill(job, new RaftTarget(client, options.timeoutMs))),
    );
  } catch (error) {
    throw asCliError(error);
  } finally {
    await file.close();
  }
}

async function openFile(
  context: CliContext,
  path: string,
  signal: AbortSignal,
): Promise<BackupFile> {
  const progress = new CountProgress(context, { doing: "check", total: 0, unit: "bytes" });
  try {
    const file = await BackupFile.open(path, {
      signal,
      onProgress: (bytes, total) => progress.show(bytes, total),
    });
    // It may have come behind the last look for it, and nobody looks for it a second time.
    if (!signal.aborted) return file;
    await file.close();
    throw signal.reason;
  } catch (error) {
    if (!signal.aborted) throw readingFault(error, path);
    throw new CliError("stopped: nothing was changed", {
      code: exitCode.interrupted,
      cause: error,
    });
  } finally {
    progress.clear();
  }
}

function reportCheck(context: CliContext, file: BackupFile, flags: RestoreFlags): number {
  const { path, count: entries, bytes, sha256, header } = file;
  if (flags.json === true) printJson(context, { path, entries, bytes, sha256, ...header });
  else {
    const taken = new Date(header.takenSec * 1000).toISOString();
    const from = `log index ${header.appliedIndex}, term ${header.term}, taken ${taken}`;
    context.out(`${path} is whole: ${entries} keys as of ${from}\nsha256 ${sha256}\n`);
  }
  return exitCode.ok;
}

export interface RestoreJob {
  readonly context: CliContext;
  readonly file: BackupFile;
  readonly flags: RestoreFlags;
  readonly signal: AbortSignal;
}

/** Known before anything is set: it would be refused amid all the others, each time anew. */
async function refuseWhatEtcdCannotHold({ file, flags, signal }: RestoreJob): Promise<void> {
  const selection = selectionOf(flags);
  const times = { nowSec: Date.now() / 1000, renewTtl: flags.renewTtl === true };
  for await (const entry of file.entries()) {
    if (signal.aborted) return;
    if (!isChosen(entry, selection)) continue;
    const ready = prepare(entry, times);
    const why = ready.fate === null ? etcdRefusal(ready) : null;
    if (why === null) continue;
    throw new CliError(
      `${file.path}: ${JSON.stringify(ready.key)} ${why}: choose others with --prefix or --key`,
    );
  }
}

async function fill(job: RestoreJob, target: RestoreTarget): Promise<number> {
  const { context, file, flags, signal } = job;
  const selection = selectionOf(flags);
  const chosen = chosenCondition(flags);
  if (chosen === null && !("key" in selection) && (await target.holdsAny(selection.prefix))) {
    const what = selection.prefix === "" ? "keys" : `keys that begin with ${selection.prefix}`;
    throw new CliError(
      `the target holds ${what} already: choose --if-absent, --if-present or --overwrite`,
    );
  }
  const isDry = flags.dryRun === true;
  const progress = new CountProgress(context, {
    ...{ doing: "restore", total: file.count, unit: "keys" },
  });
  let done = 0;
  try {
    const counts = await restore(file.entries(), target, {
      ...{ condition: chosen ?? { prevExist: false }, selection, signal, dryRun: isDry },
      renewTtl: flags.renewTtl === true,
      nowSec: () => Date.now() / 1000,
      concurrency: isDry ? 1 : keysUnderWay,
      onKey: (key, fate) => {
        done += 1;
        progress.show(done);
        if (isDry && flags.json !== true) context.out(`${fateWord[fate]} ${showValue(key)}\n`);
      },
    });
    progress.clear();
    return report(job, counts);
  } catch (error) {
    progress.clear();
    if (error instanceof RestoreError && done > 0) {
      context.err(`${done} keys were done before; ${howToGoOn(flags)}\n`);
    }
    throw error;
  } finally {
    progress.clear();
  }
}

/** With --if-absent what was overwritten halfway would keep its old values. */
function howToGoOn(flags: RestoreFlags): string {
  const isChosen = flags.overwrite === true || flags.ifPresent === true;
  return isChosen ? "the same command does them all again" : "--if-absent goes on where this ended";
}

const fateWord = { set: "would set ", kept: "would keep", expired: "expired   " } as const;

function report({ context, flags }: RestoreJob, counts: RestoreCounts): number {
  const { set, kept, expired, isStopped } = counts;
  const isDry = flags.dryRun === true;
  const isMissing = flags.key !== undefined && set + kept + expired === 0 && !isStopped;
  if (isMissing && flags.json !== true) throw holdsNot(flags.key);
  if (flags.json === true) {
    printJson(context, { ...(isDry ? { dryRun: true } : {}), set, kept, expired, isStopped });
  } else {
    const verb = isDry ? "would be set" : "set";
    const rest = `${kept} kept since the condition does not hold, ${expired} left out since their time is over`;
    context.out(`${set === 1 ? "1 key" : `${set} keys`} ${verb}, ${rest}\n`);
  }
  if (isStopped) {
    const left = isDry ? "nothing was changed" : `what was set stays; ${howToGoOn(flags)}`;
    throw new CliError(`stopped: ${left}`, { code: exitCode.interrupted });
  }
  return flags.key === undefined || set === 1 ? exitCode.ok : exitCode.failed;
}

function asCliError(error: unknown): unknown {
  if (!(error instanceof RestoreError) && !(error instanceof EtcdError)) return error;
  const code = error.mayBeDone ? exitCode.unknown : exitCode.failed;
  return new CliError(error.message, { code, cause: error });
}
