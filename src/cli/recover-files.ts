import { connect } from "node:net";
import { FilesError } from "../files/files-error.js";
import { overviewOf } from "../files/overview.js";
import { parseAddress } from "../net/address.js";
import { loadClientConfig } from "../node/config.js";
import { readConfigPath, readPasswordFile } from "../node/config-read.js";
import { nodeFileSystem } from "../storage/node-file-system.js";
import { type ForcedCluster, forceNewCluster } from "../tools/recover/force-new-cluster.js";
import { type ForcedPlan, planForced } from "../tools/recover/forced-plan.js";
import { bytesOf } from "./chosen-files.js";
import type { CliContext } from "./context.js";
import { CliError, exitCode } from "./exit-codes.js";
import { printJson } from "./kv-session.js";
import { checkConsent, memberToChange } from "./offline-change.js";
import { withProgress } from "./progress-line.js";
import type { RecoverFlags } from "./recover.js";
import { formatPairs } from "./table.js";

/** A member that runs takes a connection at once, also across a continent. */
const knockMsMax = 2_000;

export async function recover(
  context: CliContext,
  path: string,
  flags: RecoverFlags,
): Promise<number> {
  checkConsent(flags);
  const member = await memberToChange(path);
  const acceptsIncomplete = flags.acceptIncomplete === true;
  const totalBytes = await bytesOf([member.journal, member.dump]);
  const found = await withProgress(context, { doing: "reading", totalBytes }, async (watch) => {
    const { inUseBy } = await overviewOf(nodeFileSystem, member, watch);
    if (inUseBy !== null) {
      throw new CliError(`process ${inUseBy} uses these files: stop the member first`);
    }
    return await planForced(member, { acceptsIncomplete });
  });
  const plan = { ...found, formerMembers: formerMembersOf(context, found, flags) };
  await refuseWhileOthersAnswer(plan.formerMembers);
  if (flags.yes !== true) {
    if (flags.json === true) printJson(context, { changed: false, ...plan });
    else context.out(planText(plan));
    if (plan.refusal !== null) {
      throw new FilesError("refused", `${member.directory}/${member.address}`, plan.refusal);
    }
    if (flags.dryRun === true) return exitCode.ok;
    throw new CliError("nothing was changed: say --yes to do it", { code: exitCode.usage });
  }
  const made = await forceNewCluster(member, {
    ...{ now: new Date(), acceptsIncomplete, named: plan.formerMembers },
  });
  if (flags.json === true) printJson(context, { changed: true, ...made });
  else context.out(madeText(made, plan));
  return exitCode.ok;
}

/**
 * All others that files and configuration name.
 *
 * @throws CliError where some may be named by neither: one of them could be alive.
 */
function formerMembersOf(
  context: CliContext,
  { address, formerMembers, knowsAll }: ForcedPlan,
  flags: RecoverFlags,
): readonly string[] {
  const configured = loadClientConfig({
    file: flags.config === undefined ? undefined : readConfigPath(flags.config),
    env: context.env,
    flags: {},
    readPasswordFile,
  }).addresses;
  const others = new Set([...formerMembers, ...configured]);
  others.delete(address);
  if (others.size > 0 && (knowsAll || configured.length > 0)) return [...others].sort();
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
async function refuseWhileOthersAnswer(members: readonly string[]): Promise<void> {
  const answers = await Promise.all(members.map(knock));
  const alive = members.filter((_, at) => answers[at] === true);
  if (alive.length === 0) return;
  throw new CliError(
    `${alive.join(", ")} of the old cluster can still be reached: a second cluster beside it would be ` +
      "a split brain. Start the missing members, or stop these for good first. Nothing was changed",
  );
}

function knock(address: string): Promise<boolean> {
  const target = parseAddress(address);
  if (target === null) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = connect({ ...target, timeout: knockMsMax });
    const settle = (isThere: boolean) => {
      socket.destroy();
      resolve(isThere);
    };
    socket.once("connect", () => settle(true));
    socket.once("timeout", () => settle(false));
    socket.once("error", () => settle(false));
  });
}

function planText(plan: ForcedPlan): string {
  const { address, term, newTerm, lastIndex, keys, formerMembers, findings } = plan;
  return (
    formatPairs([
      ["member", address],
      ["log ends at", `${lastIndex}${uncertain(plan)}`],
      ["term", `${term}, then ${newTerm}`],
      ["keys", String(keys)],
      ["gives up", formerMembers.join(", ")],
      ...findings.map((finding) => ["found", finding] as const),
      ...(plan.refusal === null ? [] : [["--yes", "would refuse, see below"] as const]),
    ]) + warningText
  );
}

/** What the last entry does not say of the rest of them. */
function uncertain({ lastIndex, commitIndex, unusedUpTo }: ForcedPlan): string {
  const unused =
    unusedUpTo === null ? "" : `; THE JOURNAL'S ENTRIES UP TO ${unusedUpTo} CANNOT BE USED`;
  if (commitIndex === null) return `${unused}; how much of it was committed is not stored`;
  const open = lastIndex - commitIndex;
  if (open === 0) return unused;
  if (open > 0)
    return `${unused}; known as committed up to ${commitIndex}: the ${open} behind it are kept`;
  return `${unused}; the commit index is ${commitIndex}: UP TO ${-open} ACKNOWLEDGED ENTRIES ARE NOT HERE`;
}

const warningText =
  "WARNING: what the lost members had acknowledged and this one has not received is lost, and nobody\n" +
  "can tell how much. Never start one of them again on its old files, and do this on one member only.\n";

function madeText(made: ForcedCluster, plan: ForcedPlan): string {
  const { address, lastIndex, oldTerm, newTerm, keys, setAsideTo, formerMembers } = made;
  return (
    formatPairs([
      ["member", `${address} is a cluster of its own now`],
      ["log ended at", `${lastIndex}${uncertain(plan)}`],
      ["term", `${oldTerm}, now ${newTerm}`],
      ["keys", String(keys)],
      ["gave up", formerMembers.join(", ")],
      ["old files", setAsideTo],
      ...made.findings.map((finding) => ["found", finding] as const),
    ]) +
    warningText +
    "Next: start this member with no partner_addrs; move the files of the others away, all of them;\n" +
    "start each with this member among its partner_addrs: it adds itself. Then give all of them the\n" +
    "full list again.\n"
  );
}
