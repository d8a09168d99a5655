import type { Command } from "commander";
import { isAddress } from "../node/config-address.js";
import { askOne, askStatus, type Contact, findContact, reasonOf } from "./asking.js";
import { report } from "./change.js";
import { addClientOptions, type Client, readClient } from "./client-options.js";
import type { CliContext } from "./context.js";
import { CliError, exitCode } from "./exit-codes.js";

/** An election takes about an election timeout; longer than this it has not worked. */
const confirmMsMax = 5000;
const confirmEveryMs = 100;
/** A write that comes in between can undo it: the successor lacks it, and the old leader is elected again. */
const attemptsMax = 3;

export function registerTransfer(
  program: Command,
  context: CliContext,
  finish: (code: number) => void,
): void {
  const command = program
    .command("transfer")
    .summary("hand leadership to another member")
    .description(
      "Asks the leader to hand leadership to ADDR, or to the member that is most up to date, and\n" +
        "waits until the new leader shows. Leaders on PySyncObj 0.3.15 and older do not know this.",
    )
    .argument("[addr]", "the member that should lead");
  addClientOptions(command)
    .addHelpText("after", "\nExample:\n  quorate transfer 10.0.0.2:2222 --addr 10.0.0.1:2222")
    .action(async (address: string | undefined, flags) => {
      finish(await transfer(context, readClient(context, flags), address));
    });
}

async function transfer(
  context: CliContext,
  client: Client,
  target: string | undefined,
): Promise<number> {
  if (target !== undefined && !isAddress(target)) {
    throw new CliError(`${JSON.stringify(target)} is no address: give host:port`, {
      code: exitCode.usage,
    });
  }
  const leader = await findLeader(context, client);
  if (target === leader.address) {
    context.err(`${target} is the leader already\n`);
    return exitCode.failed;
  }
  if (!leader.status.knowsTransfer) {
    throw new CliError(
      `the leader ${leader.address} runs ${leader.status.software}, which cannot hand ` +
        "leadership over: that came with PySyncObj 0.3.16",
    );
  }
  const { reply, successor } = await attempt(context, client, leader, target ?? null);
  const ok = reply.startsWith("SUCCESS");
  const reasons = successor === null ? reasonsFor(leader, target ?? null, ok) : [];
  return report(
    context,
    client,
    { done: `${successor} leads now` },
    { ok: successor !== null, address: leader.address, reply, reasons },
  );
}

async function attempt(
  context: CliContext,
  client: Client,
  leader: Contact,
  target: string | null,
): Promise<{ reply: string; successor: string | null }> {
  for (let left = attemptsMax - 1; ; left -= 1) {
    const reply = await askTransfer(context, client, leader.address, target ?? "");
    if (!reply.startsWith("SUCCESS")) return { reply, successor: null };
    const successor = await waitForSuccessor(context, client, leader, target);
    if (successor !== null || left === 0) return { reply, successor };
  }
}

async function findLeader(context: CliContext, client: Client): Promise<Contact> {
  const contact = await findContact(context, client);
  const { leader } = contact.status;
  if (leader === null) {
    throw new CliError(
      `${contact.address} knows of no leader: there is no leadership to hand over`,
    );
  }
  if (leader === contact.address || leader === contact.status.self) {
    return { address: contact.address, status: contact.status };
  }
  try {
    return { address: leader, status: await askStatus(context, client, leader) };
  } catch (error) {
    throw new CliError(`the leader did not answer: ${reasonOf(leader, error)}`, { cause: error });
  }
}

async function askTransfer(
  context: CliContext,
  client: Client,
  leader: string,
  target: string,
): Promise<string> {
  try {
    const reply = await askOne(context, client, leader, ["transfer", target]);
    return typeof reply === "string" ? reply : "an answer that is no text";
  } catch (error) {
    throw new CliError(
      `${reasonOf(leader, error)}; PySyncObj 0.3.15 and older does not know this request and ` +
        "leaves it unanswered",
      { cause: error },
    );
  }
}

/** Success only means that the successor was told; it leads when a member says so. */
async function waitForSuccessor(
  context: CliContext,
  client: Client,
  before: Contact,
  target: string | null,
): Promise<string | null> {
  const self = before.status.self ?? before.address;
  const places = target === null ? [before.address] : [before.address, target];
  const rounds = Math.ceil(Math.min(confirmMsMax, client.timeoutMs) / confirmEveryMs);
  for (let round = 0; round < rounds; round += 1) {
    for (const place of places) {
      const status = await askStatus(context, client, place).catch(() => null);
      const leader = status?.leader ?? null;
      if (leader !== null && (target === null ? leader !== self : leader === target)) {
        return leader;
      }
    }
    await context.sleep(confirmEveryMs);
  }
  return null;
}

function reasonsFor(leader: Contact, target: string | null, asked: boolean): string[] {
  if (asked) {
    return [
      "the successor was asked to lead, but no change of leader showed: look with `quorate status`",
    ];
  }
  const others = leader.status.members.filter((member) => !member.self);
  if (target !== null && !others.some((member) => member.address === target)) {
    return [`${target} is not a member of the cluster`];
  }
  if (
    !others.some((member) => member.connected && (target === null || member.address === target))
  ) {
    return [
      `${target ?? "no other member"} is ${target === null ? "" : "not "}connected to the leader`,
    ];
  }
  return [
    "the successor does not hold the newest entry yet, or the leader changed meanwhile: try again",
    "a member of PySyncObj up to 0.3.15 cannot take over: stop the leader, and the others elect one",
  ];
}
