import type { PyValue } from "../../protocol/pickle/values.js";
import { askMembers, askOne, askStatus, type Contact, findContact, reasonOf } from "./asking.js";
import type { Client } from "./client-options.js";
import type { CliContext } from "./context.js";
import { escapeControls } from "./escape.js";
import { CliError, exitCode } from "./exit-codes.js";

/** A change of the cluster that any member takes and hands on to its leader. */
export interface Change {
  readonly request: readonly PyValue[];
  /** The member that is added or removed; null for other changes. */
  readonly subject: { readonly address: string; readonly wanted: "member" | "gone" } | null;
  /** Said on success. */
  readonly done: string;
}

export interface ChangeResult {
  readonly ok: boolean;
  /** The member that answered last. */
  readonly address: string;
  readonly reply: string;
  /** On failure: what is likely behind it. */
  readonly reasons: readonly string[];
}

/** Asks for the change, at the leader once more where another member refuses, and reports. */
export async function runChange(
  context: CliContext,
  client: Client,
  change: Change,
): Promise<number> {
  const contact = await findContact(context, client);
  let result = await attempt(context, client, contact.address, change);
  let seen = contact;
  if (!result.ok) {
    seen = await lookAgain(context, client, contact);
    const { leader } = seen.status;
    if (leader !== null && leader !== result.address) {
      result = await attempt(context, client, leader, change).catch((error: unknown) => ({
        ...result,
        reasons: [`the leader could not be asked: ${reasonOf(leader, error)}`],
      }));
      seen = await lookAgain(context, client, contact);
    }
  }
  const reasons = result.ok
    ? []
    : [...result.reasons, ...(await explain(context, client, seen, change))];
  return report(context, client, change, { ...result, reasons });
}

async function attempt(
  context: CliContext,
  client: Client,
  address: string,
  change: Change,
): Promise<ChangeResult> {
  let reply: PyValue;
  try {
    reply = await askOne(context, client, address, change.request);
  } catch (error) {
    throw new CliError(
      `${reasonOf(address, error)}; the change may have been made or not: look with ` +
        "`quorate members`",
      { cause: error },
    );
  }
  const text = typeof reply === "string" ? reply : "an answer that is no text";
  return { ok: text.startsWith("SUCCESS"), address, reply: text, reasons: [] };
}

async function lookAgain(context: CliContext, client: Client, contact: Contact): Promise<Contact> {
  try {
    return { ...contact, status: await askStatus(context, client, contact.address) };
  } catch {
    return contact;
  }
}

/** Why a member says FAIL; it does not say so itself (SyncObj.__changeCluster in upstream). */
async function explain(
  context: CliContext,
  client: Client,
  contact: Contact,
  change: Change,
): Promise<string[]> {
  const { leader } = contact.status;
  const reasons: string[] = [];
  if (leader === null) {
    reasons.push(`${contact.address} knows of no leader: a majority of the members must be up`);
  }
  if (change.subject === null) {
    return reasons;
  }
  const { address, wanted } = change.subject;
  const members = await askMembers(context, client, contact);
  const isMember = members.some((member) => member.address === address);
  if (wanted === "member" && isMember) {
    reasons.push(`${address} is a member of the cluster already`);
  }
  if (wanted === "gone" && !isMember) {
    reasons.push(`${address} is not a member of the cluster`);
  }
  if (wanted === "gone" && address === leader) {
    reasons.push(
      `${address} is the leader, which cannot be removed: move the lead first with \`quorate transfer\``,
    );
  }
  if (reasons.length === 0) {
    reasons.push(
      "another change of members is not committed yet, or the leader was elected just now: " +
        "only one change goes at a time, try again in a moment",
    );
    if (wanted === "gone") {
      reasons.push(
        "or those of the remaining members that answer and are up to date would be no majority: a Quorate leader " +
          "takes nobody out then (its log says so: removal-refused). Start those that are away, or remove them first",
      );
    }
  }
  return reasons;
}

export function report(
  context: CliContext,
  client: Client,
  change: Pick<Change, "done">,
  result: ChangeResult,
): number {
  if (client.json) {
    context.out(`${JSON.stringify(result, null, 2)}\n`);
  } else if (result.ok) {
    context.out(`${change.done} (${result.address}: ${escapeControls(result.reply)})\n`);
  } else {
    context.err(`refused by ${result.address}: ${escapeControls(result.reply)}\n`);
    for (const reason of result.reasons) {
      context.err(`  ${escapeControls(reason)}\n`);
    }
  }
  return result.ok ? exitCode.ok : exitCode.failed;
}
