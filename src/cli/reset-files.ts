import { type ResetMember, resetMember } from "../tools/recover/reset-member.js";
import { askMembers, askStatus, findContact } from "./asking.js";
import { type Client, readClient } from "./client-options.js";
import type { CliContext } from "./context.js";
import { CliError, exitCode } from "./exit-codes.js";
import { printJson } from "./kv-session.js";
import { checkConsent, memberToChange, refuseInUse } from "./offline-change.js";
import { type Compared, comparedText, compareWithOther } from "./reset-compare.js";
import type { ResetFlags } from "./reset-member.js";
import { formatPairs } from "./table.js";

/** What the rest of the cluster says. */
interface Rest {
  readonly leader: string | null;
  readonly members: readonly string[];
  readonly commitIndex: number;
}

export async function reset(context: CliContext, path: string, flags: ResetFlags): Promise<number> {
  checkConsent(flags);
  const member = await memberToChange(path);
  await refuseInUse(member);
  const client = readClient(context, flags);
  const rest = await askRest(context, client, member.address);
  // The other one of two holds all that was ever confirmed, and leads again with our vote only.
  const keepsPromises = rest.members.length !== 2;
  if (keepsPromises && rest.leader === null) {
    throw new CliError(
      "the rest of the cluster has no leader: the files of this member may be needed for one. " +
        "Nothing was changed",
    );
  }
  const otherCommit = rest.commitIndex;
  const acceptsUncompared = flags.acceptUncompared === true;
  const compared = keepsPromises
    ? null
    : await compareWithOther(context, member, { otherCommit, acceptsUncompared });
  if (flags.yes !== true) {
    const plan = { changed: false, address: member.address, ...rest, keepsPromises, compared };
    if (client.json) printJson(context, plan);
    else context.out(planText(member.address, rest, compared));
    if (flags.dryRun === true) return exitCode.ok;
    throw new CliError("nothing was changed: say --yes to do it", { code: exitCode.usage });
  }
  const done = await resetMember(member, { now: new Date(), keepsPromises });
  if (client.json) printJson(context, { changed: true, ...done, compared });
  else context.out(doneText(done, rest));
  return exitCode.ok;
}

async function askRest(context: CliContext, client: Client, self: string): Promise<Rest> {
  const addresses = client.addresses.filter((address) => address !== self);
  if (addresses.length === 0) {
    throw new CliError("no other member to ask: give --addr host:port, or --config", {
      code: exitCode.usage,
    });
  }
  const others = { ...client, addresses };
  const contact = await findContact(context, others).catch((error: unknown) => {
    if (!(error instanceof CliError)) throw error;
    throw new CliError(
      `${error.message}. Without an answer nobody can say whether these files are needed: nothing was changed. ` +
        "Start another member first. Where the majority is lost for good: quorate recover --help",
      { cause: error },
    );
  });
  const members = await askMembers(context, others, contact);
  const names = members.map(({ address }) => address);
  if (!names.includes(self)) {
    throw new CliError(
      `${self} is no member of the cluster of ${contact.address} (${names.join(", ")}): its files ` +
        "are of no use to that cluster, and can be moved away",
    );
  }
  // Of two the other one goes on for a while as the leader that it was: it leads nobody.
  const isOfTwo = names.length === 2;
  const leader = isOfTwo || contact.status.leader === self ? null : contact.status.leader;
  if (leader !== null) await checkLeads(context, others, { leader, self, size: names.length });
  return { leader, members: names, commitIndex: contact.status.commitIndex };
}

/**
 * A leader that has lost its majority goes on saying that it leads for a while, and its followers say what
 * they heard last: so it is asked itself whom it is connected to.
 */
async function checkLeads(
  context: CliContext,
  client: Client,
  { leader, self, size }: { readonly leader: string; readonly self: string; readonly size: number },
): Promise<void> {
  const status = await askStatus(context, client, leader);
  const up = status.members.filter(
    (member) => member.address !== self && (member.self || member.connected),
  );
  if (status.role === "leader" && 2 * up.length > size) return;
  throw new CliError(
    `${leader} is said to lead, and reaches ${up.length} of ${size} members without this one: that is ` +
      "no majority. Nothing was changed",
  );
}

function planText(
  address: string,
  { leader, members, commitIndex }: Rest,
  compared: Compared | null,
): string {
  return formatPairs([
    ["member", address],
    ["cluster", members.join(", ")],
    ["leader", leader ?? "none without this member: there are two"],
    ...(compared === null ? [] : [["compared", comparedText(compared, commitIndex)] as const]),
    ["would be", "emptied: journal and dump are set aside beside the data directory's files"],
  ]);
}

function doneText({ address, setAsideTo, kept }: ResetMember, { leader }: Rest): string {
  const from = leader === null ? "the other member" : leader;
  return `${formatPairs([
    ["member", `${address} is empty now`],
    ["keeps", kept === null ? "nothing" : `term ${kept.term}, vote ${kept.votedFor ?? "none"}`],
    ["old files", setAsideTo],
  ])}Next: start it. It takes everything from ${from}; quorate status shows when it has.\n`;
}
