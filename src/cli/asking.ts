import type { PyValue } from "../../protocol/pickle/values.js";
import type { Client } from "./client-options.js";
import type { CliContext } from "./context.js";
import { CliError } from "./exit-codes.js";
import { type MemberView, type StatusView, viewMembers, viewStatus } from "./member-view.js";

export interface Contact {
  readonly address: string;
  readonly status: StatusView;
}

export async function askOne(
  context: CliContext,
  client: Client,
  address: string,
  request: readonly PyValue[],
): Promise<PyValue> {
  const password = client.password === null ? {} : { password: client.password };
  return await context.ask(address, request, { timeoutMs: client.timeoutMs, ...password });
}

/**
 * The first member that tells its status. A change is asked only of a member found this way, so
 * that no change is ever sent twice because an answer was lost.
 *
 * @throws CliError that says for each address why it did not answer.
 */
export async function findContact(context: CliContext, client: Client): Promise<Contact> {
  const faults: string[] = [];
  for (const address of client.addresses) {
    try {
      return { address, status: await askStatus(context, client, address) };
    } catch (error) {
      faults.push(reasonOf(address, error));
    }
  }
  throw new CliError(`no member answered: ${faults.join("; ")}`);
}

export async function askStatus(
  context: CliContext,
  client: Client,
  address: string,
): Promise<StatusView> {
  return viewStatus(await askOne(context, client, address, ["status"]));
}

/**
 * The members as `contact` sees them. A plain PySyncObj member (not run by Patroni) does not know
 * the question and leaves it unanswered: then its status must do.
 */
export async function askMembers(
  context: CliContext,
  client: Client,
  contact: Contact,
): Promise<readonly MemberView[]> {
  try {
    const members = viewMembers(await askOne(context, client, contact.address, ["members"]));
    if (members.length > 0) {
      return members;
    }
  } catch {
    // Falls through to what the status showed.
  }
  return contact.status.members;
}

/** Why `address` did not answer, with the address in front once. */
export function reasonOf(address: string, error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.startsWith(`${address}: `) ? message : `${address}: ${message}`;
}
