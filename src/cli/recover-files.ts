import { connect } from "node:net";
import { type MemberOverview, overviewOf } from "../files/overview.js";
import { parseAddress } from "../net/address.js";
import { loadClientConfig } from "../node/config.js";
import { readConfigPath, readPasswordFile } from "../node/config-read.js";
import { nodeFileSystem } from "../storage/node-file-system.js";
import {
  type ForcedCluster,
  forcedTermStep,
  forceNewCluster,
} from "../tools/recover/force-new-cluster.js";
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

/** What is known before anything is changed. */
interface Plan {
  readonly address: string;
  readonly term: number;
  readonly lastIndex: number;
  readonly commitIndex: number | null;
  readonly formerMembers: readonly string[];
}

export async function recover(
  context: CliContext,
  path: string,
  flags: RecoverFlags,
): Promise<number> {
  checkConsent(flags);
  const member = await memberToChange(path);
  const totalBytes = await bytesOf([member.journal, member.dump]);
  const plan = await withProgress(context, { doing: "reading", totalBytes }, async (watch) =>
    planOf(await overviewOf(nodeFileSystem, member, watch)),
  );
  const named = loadClientConfig({
    file: flags.config === undefined ? undefined : readConfigPath(flags.config),
    env: context.env,
    flags: {},
    readPasswordFile,
  }).addresses.filter((address) => address !== member.address);
  const others = [...new Set([...plan.formerMembers, ...named])];
  if (others.length === 0) {
    throw new CliError(
      "these files name no other member (those of a first start stand in the configuration only): give " +
        "--config with Patroni's file, so that it can be looked whether one of them still answers",
      { code: exitCode.usage },
    );
  }
  await refuseWhileOthersAnswer(others);
  if (flags.yes !== true) {
    if (flags.json === true) printJson(context, { changed: false, ...plan });
    else context.out(planText(plan));
    if (flags.dryRun === true) return exitCode.ok;
    throw new CliError("nothing was changed: say --yes to do it", { code: exitCode.usage });
  }
  const made = await forceNewCluster(member, {
    now: new Date(),
    acceptsIncomplete: flags.acceptIncomplete === true,
  });
  if (flags.json === true) printJson(context, { changed: true, ...made });
  else context.out(madeText(made));
  return exitCode.ok;
}

function planOf({ address, inUseBy, journal, meta, dump }: MemberOverview): Plan {
  if (inUseBy !== null) {
    throw new CliError(`process ${inUseBy} uses these files: stop the member first`);
  }
  const ofDump = dump?.kind === "dump" ? dump : null;
  const ofMeta = meta?.kind === "meta" ? meta : null;
  const log = journal?.log ?? null;
  const members = new Set(ofDump?.members ?? []);
  for (const { change, address: other } of log?.membership ?? []) {
    if (change === "add") members.add(other);
    else members.delete(other);
  }
  members.delete(address);
  return {
    address,
    term: Math.max(ofMeta?.term ?? 0, log?.largestTerm ?? 0, ofDump?.last.term ?? 0),
    lastIndex: Math.max(log?.last?.index ?? 0, ofDump?.last.index ?? 0),
    commitIndex: ofMeta === null ? null : ofMeta.commitIndex,
    formerMembers: [...members].sort(),
  };
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

function planText(plan: Plan): string {
  const { address, term, lastIndex, commitIndex, formerMembers } = plan;
  return (
    formatPairs([
      ["member", address],
      ["log ends at", `${lastIndex}${uncertain(lastIndex, commitIndex)}`],
      ["term", `${term}, then ${term + forcedTermStep} or more`],
      [
        "gives up",
        formerMembers.length === 0 ? "the members in the configuration" : formerMembers.join(", "),
      ],
    ]) + warningText
  );
}

function uncertain(lastIndex: number, commitIndex: number | null): string {
  if (commitIndex === null) return "; how much of it was committed is not stored";
  const open = lastIndex - commitIndex;
  return open <= 0
    ? ""
    : `; known as committed up to ${commitIndex}: the ${open} behind it are kept`;
}

const warningText =
  "WARNING: what the lost members had acknowledged and this one has not received is lost, and nobody\n" +
  "can tell how much. Never start one of them again on its old files, and do this on one member only.\n";

function madeText(made: ForcedCluster): string {
  const { address, lastIndex, commitIndex, oldTerm, newTerm, keys, setAsideTo, formerMembers } =
    made;
  return (
    formatPairs([
      ["member", `${address} is a cluster of its own now`],
      ["log ended at", `${lastIndex}${uncertain(lastIndex, commitIndex)}`],
      ["term", `${oldTerm}, now ${newTerm}`],
      ["keys", String(keys)],
      [
        "gave up",
        formerMembers.length === 0 ? "the members in the configuration" : formerMembers.join(", "),
      ],
      ["old files", setAsideTo],
      ...made.findings.map((finding) => ["found", finding] as const),
    ]) +
    warningText +
    "Next: start this member with no partner_addrs; move the files of the others away, all of them;\n" +
    "start each with this member among its partner_addrs: it adds itself. Then give all of them the\n" +
    "full list again.\n"
  );
}
