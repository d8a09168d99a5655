import { commandType, decodeCommand } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import type { PyValue } from "../../protocol/pickle/values.js";
import { encodeUtility, parseMembers, parseStatus } from "../../protocol/wire/utility.js";
import type { Logger } from "../logger.js";
import { clientLimits } from "./limits.js";

export type Ask = (
  address: string,
  request: readonly PyValue[],
  timeoutMs: number,
) => Promise<PyValue>;

/**
 * Who is in the cluster, by the first member that tells (DynMemberSyncObj in patroni/dcs/raft.py asks
 * one after the other). Null where nobody does: plain PySyncObj members do not know the question.
 */
async function askMembers(
  ask: Ask,
  addresses: readonly string[],
  logger: Logger,
): Promise<readonly string[] | null> {
  const questions = addresses.map(async (address) => {
    const request = encodeUtility({ command: "members" });
    const members = parseMembers(await ask(address, request, clientLimits.askTimeoutMs));
    if (members.length === 0) throw new Error(`${address} names no members`);
    return members.map((member) => member.address);
  });
  for (const question of questions) {
    question.catch((error: unknown) => logger.debug(`members not told: ${String(error)}`));
  }
  return await Promise.any(questions).catch(() => null);
}

/** The terms of the members that answer. */
async function askTerms(ask: Ask, addresses: readonly string[]): Promise<readonly number[]> {
  const questions = addresses.map(async (address) => {
    const request = encodeUtility({ command: "status" });
    return parseStatus(await ask(address, request, clientLimits.askTimeoutMs)).raftTerm;
  });
  const answers = await Promise.allSettled(questions);
  return answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
}

export interface MembershipHost {
  readonly ask: Ask;
  readonly logger: Logger;
  /** Whom to be connected to from now on. */
  setPeers(addresses: readonly string[]): void;
}

/** Who is in the cluster: by the members' word, then by the log. */
export class Membership {
  readonly #host: MembershipHost;
  readonly #given: readonly string[];
  #members: Set<string>;
  #hasChanged = false;

  constructor(host: MembershipHost, given: readonly string[]) {
    this.#host = host;
    this.#given = given;
    this.#members = new Set(given);
  }

  get addresses(): readonly string[] {
    return [...this.#members].sort();
  }

  /** Asks everybody known; where nobody tells, what is known stays. */
  async learn(): Promise<void> {
    const known = [...new Set([...this.#members, ...this.#given])];
    const members = await askMembers(this.#host.ask, known, this.#host.logger);
    if (members !== null) this.#members = new Set(members);
    this.#host.setPeers(this.addresses);
  }

  /** The highest term that a majority, or more, of the members speaks of; null without a majority. */
  async highestTerm(): Promise<number | null> {
    const terms = await askTerms(this.#host.ask, this.addresses);
    return terms.length > this.#members.size / 2 ? Math.max(...terms) : null;
  }

  /** Of the log. The links follow with `settle`: on the way a member may go and come again. */
  apply(entry: Entry): void {
    if (entry.command[0] !== commandType.membership) return;
    try {
      const command = decodeCommand(entry.command);
      if (command.kind !== "membership") return;
      if (command.change === "add") this.#members.add(command.address);
      else this.#members.delete(command.address);
      this.#hasChanged = true;
    } catch {
      // The store says why the entry is none.
    }
  }

  /** A dump names them all. */
  replace(members: readonly string[]): void {
    this.#members = new Set(members);
    this.#hasChanged = true;
  }

  /** The end of the log is reached. */
  settle(): void {
    if (!this.#hasChanged) return;
    this.#hasChanged = false;
    this.#host.setPeers(this.addresses);
  }
}
