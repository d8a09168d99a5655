import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { caughtUp } from "./full-disk.js";
import type { DiskStage } from "./stage.js";

export interface InjectedFault {
  /** For strace: system call, error, which of its calls. Counted over the member's own files only. */
  readonly inject: string;
  /** Only calls on this file; default: on all of the member's. */
  readonly file?: string;
  /** Whether the member is made the leader before the fault is due. */
  readonly leads?: boolean;
  /** It must meet the fault: waited for longer. */
  readonly ends?: boolean;
}

export interface InjectedResult {
  /** The member ended itself; otherwise it went on. */
  readonly ended: boolean;
  /** It made the call that was to fail. */
  readonly met: boolean;
  /** The last error that it logged, empty where there was none. */
  readonly said: string;
}

/** A member that has not met the fault by then does not make that call so often. */
const runMs = 3_000;
const endMsMax = 30_000;

/**
 * The message of a member that ends: the file, what is known to be intact, what to do next; and all
 * that in one line.
 */
export const lastWords =
  /\/[^ ]*[^ ]: .*(synced|on the disk|untouched|Nothing was (lost|changed)|intact).*/s;
export const advice = /(start (it|the member) again|make room)/;

/** Runs the member with the fault until it ends, or has gone on for a while; then without it. */
export async function injectedRound(
  stage: DiskStage,
  { inject, file, leads = false, ends = false }: InjectedFault,
): Promise<InjectedResult> {
  // Calls are counted from the start: with writes it might meet the fault before it leads.
  if (leads) stage.holdWrites();
  const victim = await stage.startVictim({ inject, file, isDoomed: true });
  const isUp = await stage.untilUpOrEnded();
  if (leads && isUp) await stage.makeVictimLead();
  stage.goOnWriting();
  const end = await Promise.race([victim.child.exited, sleep(ends ? endMsMax : runMs, null)]);
  const said = stage.lastError();
  if (end !== null) {
    assert.deepEqual(end, { code: 1, signal: null }, `${inject}: ${said}`);
    assert.match(said, lastWords, inject);
    assert.match(said, advice, inject);
    assert.doesNotMatch(said, /\n/, inject);
    const role = victim.logLines().findLast(({ message }) => message === "role");
    if (leads) assert.equal(role?.["role"], "leader", inject);
  } else {
    await victim.stop("SIGKILL");
  }
  const met = /\(INJECTED\)/.test(readFileSync(stage.straceLog, "utf8"));
  if (end !== null) assert.ok(met, `${inject}: it ended without the fault: ${said}`);
  await stage.more(3);
  await stage.startVictim();
  const lossy = stage.victim.logLines().filter((line) => line["setAsideTo"] !== undefined);
  assert.deepEqual(lossy, [], `${inject}: nothing is found missing at the next start`);
  await caughtUp(stage);
  await stage.victim.stop("SIGKILL");
  return { ended: end !== null, met, said };
}
