import type { Conditions } from "../conditions.js";
import type { BackupEntry } from "./format.js";
import { prepare, type ReadyEntry } from "./ready-entry.js";

/** What has to hold, in the target, for a key to be set. */
export type RestoreCondition = Conditions;

/** Where keys are restored to. */
export interface RestoreTarget {
  /** Whether it holds a key that begins with the prefix. */
  holdsAny(prefix: string): Promise<boolean>;
  /** Whether the condition holds for the key now. */
  wouldSet(entry: ReadyEntry, condition: RestoreCondition): Promise<boolean>;
  /** @returns false where the condition does not hold. */
  set(entry: ReadyEntry, condition: RestoreCondition): Promise<boolean>;
}

export interface RestoreOptions {
  readonly condition: RestoreCondition;
  /** Which keys of the backup: one, or those that begin with it. */
  readonly selection: { readonly key: string } | { readonly prefix: string };
  /** Keys with a time to live get all of it again, from now on. */
  readonly renewTtl: boolean;
  /** The wall clock, in seconds since 1970. */
  readonly nowSec: () => number;
  /** Changes nothing. */
  readonly dryRun: boolean;
  /** Keys that are under way at once. */
  readonly concurrency: number;
  /** Aborted: what is under way is waited for, and no more is begun. */
  readonly signal: AbortSignal;
  readonly onKey: (key: string, fate: KeyFate) => void;
}

/** What became of a key: set; kept as it is, since the condition does not hold; its time was over. */
export type KeyFate = "set" | "kept" | "expired";

export type RestoreCounts = Readonly<Record<KeyFate, number>> & {
  /** Stopped by the signal before its end. */
  readonly isStopped: boolean;
};

/** A key could not be restored; those before it were. */
export class RestoreError extends Error {
  /** Whether that one key may be set all the same. */
  readonly mayBeDone: boolean;

  constructor(message: string, options: ErrorOptions & { readonly mayBeDone: boolean }) {
    super(message, options);
    this.name = "RestoreError";
    this.mayBeDone = options.mayBeDone;
  }
}

/**
 * Sets the chosen keys of a backup, key by key.
 *
 * @throws RestoreError; `onKey` was told what had been done before.
 */
export async function restore(
  entries: AsyncIterator<BackupEntry, unknown>,
  target: RestoreTarget,
  options: RestoreOptions,
): Promise<RestoreCounts> {
  const counts = { set: 0, kept: 0, expired: 0 };
  let failure: unknown = null;
  const worker = async (): Promise<void> => {
    while (failure === null && !options.signal.aborted) {
      const step = await entries.next();
      if (step.done === true) return;
      if (!isChosen(step.value, options.selection)) continue;
      const fate = await restoreOne(step.value, target, options);
      counts[fate.fate] += 1;
      options.onKey(fate.key, fate.fate);
    }
  };
  const guarded = () =>
    worker().catch((error: unknown) => {
      failure ??= error;
    });
  await Promise.all(Array.from({ length: options.concurrency }, guarded));
  if (failure !== null) throw failure;
  return { ...counts, isStopped: options.signal.aborted };
}

async function restoreOne(
  entry: BackupEntry,
  target: RestoreTarget,
  options: RestoreOptions,
): Promise<{ readonly key: string; readonly fate: KeyFate }> {
  const ready = prepare(entry, { nowSec: options.nowSec(), renewTtl: options.renewTtl });
  const { key } = ready;
  if (ready.fate !== null) return { key, fate: ready.fate };
  const isSet = options.dryRun
    ? await target.wouldSet(ready, options.condition)
    : await target.set(ready, options.condition);
  return { key, fate: isSet ? "set" : "kept" };
}

/** Whether an entry is among those that were asked for. */
export function isChosen(entry: BackupEntry, selection: RestoreOptions["selection"]): boolean {
  if ("key" in selection) return entry.key === selection.key;
  if (selection.prefix === "") return true;
  return typeof entry.key === "string" && entry.key.startsWith(selection.prefix);
}
