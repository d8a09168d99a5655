import { connect } from "node:net";
import { FilesError } from "../files/files-error.js";
import { underLock } from "../files/under-lock.js";
import { parseAddress } from "../net/address.js";
import { nodeFileSystem } from "../storage/node-file-system.js";
import { filesOf } from "../tools/recover/aside-folder.js";
import { forceNewCluster } from "../tools/recover/force-new-cluster.js";
import type { ForcedCluster } from "../tools/recover/recovery-record.js";
import { roomFor, roomRefusal } from "../tools/recover/room.js";
import { readSurvivor, type Survivor } from "../tools/recover/survivor.js";
import { bytesOf } from "./chosen-files.js";
import { configuredMembers } from "./configured-members.js";
import type { CliContext } from "./context.js";
import { CountProgress, untilInterrupted } from "./count-progress.js";
import { CliError, exitCode } from "./exit-codes.js";
import { printJson } from "./kv-session.js";
import { checkConsent, memberToChange, refuseInUse } from "./offline-change.js";
import { withProgress } from "./progress-line.js";
import type { RecoverFlags } from "./recover.js";
import { doneText, madeText, planText } from "./recover-report.js";

/** A member that runs takes a connection at once, also across a continent. */
const knockMsMax = 2_000;

const stopped = "stopped: nothing was changed";

/** @returns the exit code. */
export async function recover(
  context: CliContext,
  path: string,
  flags: RecoverFlags,
): Promise<number> {
  checkConsent(flags);
  const member = await memberToChange(path);
  if (flags.yes !== true) {
    await refuseInUse(member);
    return await tellPlan(context, await look(context, path, flags), flags);
  }
  return await underLock(nodeFileSystem, member, async (remark) => {
    if (remark !== undefined) context.err(`quorate: ${remark}\n`);
    const survivor = await look(context, path, flags);
    if (survivor.isDone) return tellDone(context, survivor, flags);
    if (survivor.plan.refusal !== null) throw refused(survivor);
    const made = await makeAlone(context, survivor);
    if (flags.json === true) printJson(context, { changed: true, ...made });
    else context.out(madeText(made, survivor.plan));
    return exitCode.ok;
  });
}

/** The files, and whether any of the others is still there. */
async function look(context: CliContext, path: string, flags: RecoverFlags): Promise<Survivor> {
  // The names as they are now: under the lock nobody else changes them.
  const member = await memberToChange(path);
  const { journal, dump } = member;
  // The journal's entries are read, and then put together.
  const totalBytes = (await bytesOf([journal, journal])) + (await bytesOf([dump]));
  const options = { acceptsIncomplete: flags.acceptIncomplete === true };
  const read = await withProgress(context, { doing: "reading", totalBytes, stopped }, (watch) =>
    readSurvivor(nodeFileSystem, member, { ...options, watch }),
  );
  if (read.isDone) return read;
  const plan = { ...read.plan, formerMembers: formerMembersOf(context, read, flags) };
  await refuseWhileOthersAnswer(context, plan.formerMembers);
  return await withRoom(context, { ...read, plan });
}

/** A full disk would be met amid it: harmless, and better known beforehand. */
async function withRoom(context: CliContext, survivor: Survivor): Promise<Survivor> {
  const { member, plan } = survivor;
  if (plan.refusal !== null) return survivor;
  const oldBytes = await bytesOf(filesOf(member));
  const freeBytes = await context.freeBytes(member.directory);
  const room = await untilInterrupted(context, async (signal) => {
    try {
      const found = await roomFor(survivor, { oldBytes, freeBytes, watch: { signal } });
      signal.throwIfAborted();
      return found;
    } catch (error) {
      throw signal.aborted ? new CliError(stopped, { code: exitCode.interrupted }) : error;
    }
  });
  return { ...survivor, plan: { ...plan, room, refusal: roomRefusal(room, member.directory) } };
}

function tellPlan(context: CliContext, survivor: Survivor, flags: RecoverFlags): number {
  if (survivor.isDone) return tellDone(context, survivor, flags);
  const { plan } = survivor;
  if (flags.json === true) printJson(context, { changed: false, ...plan });
  else context.out(planText(plan));
  if (plan.refusal !== null) throw refused(survivor);
  if (flags.dryRun === true) return exitCode.ok;
  throw new CliError("nothing was changed: say --yes to do it", { code: exitCode.usage });
}

function tellDone(context: CliContext, { earlier, plan }: Survivor, flags: RecoverFlags): number {
  if (earlier === null) throw new Error("done without a record");
  if (flags.json === true) printJson(context, { changed: false, ...earlier });
  else context.out(doneText(plan.address, earlier));
  return exitCode.ok;
}

function refused({ member: { directory, address }, plan }: Survivor): FilesError {
  return new FilesError("refused", `${directory}/${address}`, plan.refusal ?? "refused");
}

async function makeAlone(context: CliContext, survivor: Survivor): Promise<ForcedCluster> {
  const { member, plan } = survivor;
  const total = plan.keys;
  const line = new CountProgress(context, { doing: "writing the new dump", total, unit: "keys" });
  const totalBytes = await bytesOf(filesOf(member));
  const copying = { doing: "copying the files aside", totalBytes, stopped, changes: true };
  try {
    return await withProgress(context, copying, (watch) =>
      forceNewCluster({ fs: nodeFileSystem, now: new Date(), watch }, survivor, {
        named: plan.formerMembers,
        onKeys: (done) => line.show(done),
      }),
    );
  } finally {
    line.clear();
  }
}

/**
 * All others that files and configuration name. None: the member was its whole cluster.
 *
 * @throws CliError where some may be named by neither: one of them could be alive.
 */
function formerMembersOf(
  context: CliContext,
  { plan: { address, formerMembers, knowsAll }, earlier, isBegun }: Survivor,
  flags: RecoverFlags,
): readonly string[] {
  const configured = configuredMembers(context, flags.config);
  const others = new Set([...formerMembers, ...configured]);
  others.delete(address);
  if (others.size === 0 && knowsAll && earlier !== null && !isBegun) {
    throw new CliError(
      `these files name no other member: a recovery has made them a cluster of one already, and the member ` +
        `has run since (what was done: ${earlier.setAsideTo}). Start the member. Nothing was changed`,
      { code: exitCode.usage },
    );
  }
  // The environment may hold one member's own address alone, beside a file that names the others.
  const saysAlone = flags.config !== undefined && configured.length > 0;
  const isKnown = others.size > 0 ? knowsAll || configured.length > 0 : isBegun || saysAlone;
  if (isKnown) return [...others].sort();
  const reason =
    others.size === 0
      ? "these files name no other member"
      : "files without a readable dump, or with a part missing, do not name all members";
  throw new CliError(
    `${reason} (those of a first start stand in the configuration only): give --config with Patroni's ` +
      "file, so that it can be looked whether one of them still answers. Nothing was changed",
    { code: exitCode.usage },
  );
}

/** They, too, could be started, or could be leading what is to be given up. */
async function refuseWhileOthersAnswer(
  context: CliContext,
  members: readonly string[],
): Promise<void> {
  const answers = await untilInterrupted(context, async (signal) => {
    const all = await Promise.all(members.map((member) => knock(member, signal)));
    if (signal.aborted) throw new CliError(stopped, { code: exitCode.interrupted });
    return all;
  });
  const alive = members.filter((_, at) => answers[at] === true);
  if (alive.length === 0) return;
  throw new CliError(
    `${alive.join(", ")} of the old cluster can still be reached: a second cluster beside it would be ` +
      "a split brain. Start the missing members, or stop these for good first. Nothing was changed",
  );
}

function knock(address: string, signal: AbortSignal): Promise<boolean> {
  const target = parseAddress(address);
  if (target === null) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = connect({ ...target, timeout: knockMsMax });
    const settle = (isThere: boolean) => {
      signal.removeEventListener("abort", giveUp);
      socket.destroy();
      resolve(isThere);
    };
    const giveUp = () => settle(false);
    signal.addEventListener("abort", giveUp);
    socket.once("connect", () => settle(true));
    socket.once("timeout", giveUp);
    socket.once("error", giveUp);
  });
}
