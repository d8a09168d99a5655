import { realpath } from "node:fs/promises";
import { asText } from "../tools/backup/as-text.js";
import type { BackupEntry } from "../tools/backup/format.js";
import { isChosen } from "../tools/backup/restore.js";
import { NewFile } from "../tools/new-file.js";
import { CliError, exitCode } from "./exit-codes.js";
import { writingFault } from "./faults.js";
import { printJson } from "./kv-session.js";
import type { RestoreJob } from "./restore.js";
import { type RestoreFlags, selectionOf } from "./restore-options.js";

/** Shows a backup as JSON or YAML, on standard output or in a file. */
export async function writeText(job: RestoreJob): Promise<number> {
  const { context, file, flags, signal } = job;
  if (flags.key !== undefined && !(await holdsKey(job))) throw holdsNot(flags.key);
  const pieces = asText(file.header, chosen(job), flags.to === "yaml" ? "yaml" : "json");
  if (flags.out === undefined) {
    for await (const piece of pieces) {
      if (signal.aborted) return exitCode.interrupted;
      context.out(piece);
      await context.drained();
    }
    return exitCode.ok;
  }
  const to = flags.out;
  await refuseBackup(file.path, to);
  const asNamed = (error: unknown): never => {
    throw writingFault(error, to);
  };
  const out = await NewFile.create(to, flags.force === true).catch(asNamed);
  try {
    const encoder = new TextEncoder();
    for await (const piece of pieces) {
      if (signal.aborted) {
        throw new CliError("stopped: no file was written", { code: exitCode.interrupted });
      }
      await out.write(encoder.encode(piece)).catch(asNamed);
    }
    await out.commit().catch(asNamed);
  } catch (error) {
    await out.abandon();
    throw error;
  }
  reportFile(job, flags, out.path);
  return exitCode.ok;
}

/** No restore reads the text again: with --force it would take the place of the only copy. */
async function refuseBackup(backup: string, to: string): Promise<void> {
  const [from, place] = await Promise.all(
    [backup, to].map((path) => realpath(path).catch(() => null)),
  );
  if (from === null || from !== place) return;
  throw new CliError(`${to} is the backup itself: choose another name`, { code: exitCode.usage });
}

/** One key that is not there is a slip; a prefix without keys is an answer. */
export function holdsNot(key: string): CliError {
  return new CliError(`the backup holds no key ${JSON.stringify(key)}`);
}

async function holdsKey(job: RestoreJob): Promise<boolean> {
  for await (const _ of chosen(job)) return true;
  return false;
}

async function* chosen({ file, flags }: RestoreJob): AsyncGenerator<BackupEntry> {
  const selection = selectionOf(flags);
  for await (const entry of file.entries()) if (isChosen(entry, selection)) yield entry;
}

function reportFile({ context, file }: RestoreJob, flags: RestoreFlags, path: string): void {
  if (flags.json === true) printJson(context, { path, format: flags.to });
  else context.out(`${file.path} as ${flags.to} in ${path}\n`);
}
