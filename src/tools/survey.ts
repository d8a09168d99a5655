import type { PyValue } from "../../protocol/pickle/values.js";
import { type MemberStatus, parseStatus } from "../../protocol/wire/utility.js";
import { type Software, softwareOf } from "./software.js";

/** Asks one member; rejects where there is no answer. */
export type AskMember = (address: string, request: readonly PyValue[]) => Promise<PyValue>;

/** A member that has told its status. */
export interface Answer {
  /** Where it was asked. */
  readonly address: string;
  /** What it calls itself, which is what the others know it by; else where it was asked. */
  readonly self: string;
  readonly status: MemberStatus;
  readonly software: Software;
  /** Seconds that its wall clock is ahead of this machine's; null where it does not tell. */
  readonly clockAheadSec: number | null;
  /** How long question and answer took: `clockAheadSec` is no more exact than that. */
  readonly roundTripSec: number;
}

export type SilenceReason =
  /** It takes connections and says nothing. */
  | "silent"
  | "wrong-password"
  /** No connection comes about, and nothing refuses it. */
  | "timeout"
  /** Refused, unreachable, no such name, or no member of this protocol. */
  | "unreachable";

/** An address that has not told its status. */
export interface Silence {
  readonly address: string;
  readonly reason: SilenceReason;
  /** One line, without the address. */
  readonly message: string;
}

/** All members at about one moment. */
export interface Look {
  /** In order of address. */
  readonly answers: readonly Answer[];
  readonly silences: readonly Silence[];
  /** All addresses that an answering member counts as a member, itself among them, in order. */
  readonly known: readonly string[];
}

/** More addresses than any cluster has are no longer asked: a member could name any number. */
const addressesMax = 100;

/** Milliseconds since 1970 by the member's wall clock, as a Quorate member tells. */
const quorateTimeKey = "quorate_time_ms";

/** Asks the given addresses, and all that they name, for their status. Never rejects. */
export async function lookAt(ask: AskMember, addresses: readonly string[]): Promise<Look> {
  const asked = new Set<string>();
  const answers = new Map<string, Answer>();
  const silences: Silence[] = [];
  let wave = [...new Set(addresses)];
  while (wave.length > 0) {
    for (const address of wave) asked.add(address);
    for (const outcome of await Promise.all(wave.map((address) => askStatus(ask, address)))) {
      if ("reason" in outcome) silences.push(outcome);
      else if (!answers.has(outcome.self)) answers.set(outcome.self, outcome);
    }
    const named = [...answers.values()].flatMap(memberList);
    wave = [...new Set(named)]
      .filter((address) => !asked.has(address) && !answers.has(address))
      .slice(0, Math.max(0, addressesMax - asked.size));
  }
  const known = new Set([...answers.values()].flatMap(memberList));
  return {
    answers: [...answers.values()].sort((a, b) => (a.self < b.self ? -1 : 1)),
    // A member may have answered under another name than the one that it goes by.
    silences: silences
      .filter(({ address }) => !answers.has(address))
      .sort((a, b) => (a.address < b.address ? -1 : 1)),
    known: [...known].sort(),
  };
}

/** The members as this one counts them, itself among them, in order. */
export function memberList({ self, status }: Answer): string[] {
  return [...new Set([self, ...status.partners.map(({ address }) => address)])].sort();
}

export function majorityOf(members: number): number {
  return Math.floor(members / 2) + 1;
}

/** The member that leads, of the highest term where several say so; null: none does. */
export function leaderOf(look: Look): Answer | null {
  const leaders = look.answers.filter(isLeader);
  return leaders.reduce<Answer | null>(
    (best, each) => (best === null || each.status.raftTerm > best.status.raftTerm ? each : best),
    null,
  );
}

export function isLeader({ status }: Answer): boolean {
  return status.state === 2;
}

/** Whether this leader can hand leadership over to one of those that answer: PySyncObj 0.3.16 brought it. */
export function canHandOver(leader: Answer, { answers }: Look): boolean {
  const others = answers.filter(({ self }) => self !== leader.self);
  return leader.software.knowsTransfer && others.some(({ software }) => software.knowsTransfer);
}

export function answerOf(look: Look, self: string): Answer | null {
  return look.answers.find((answer) => answer.self === self) ?? null;
}

async function askStatus(ask: AskMember, address: string): Promise<Answer | Silence> {
  const sentMs = performance.now();
  const sentSec = Date.now() / 1000;
  try {
    const status = parseStatus(await ask(address, ["status"]));
    const roundTripSec = (performance.now() - sentMs) / 1000;
    const time = status.extra.get(quorateTimeKey);
    return {
      address,
      self: status.self ?? address,
      status,
      software: softwareOf(status),
      clockAheadSec: typeof time === "number" ? time / 1000 - (sentSec + roundTripSec / 2) : null,
      roundTripSec,
    };
  } catch (error) {
    return { address, reason: reasonOf(error), message: messageOf(address, error) };
  }
}

const codedReasons = ["silent", "wrong-password", "timeout"] as const;

function reasonOf(error: unknown): SilenceReason {
  const code = error instanceof Error && "code" in error ? error.code : null;
  return codedReasons.find((reason) => reason === code) ?? "unreachable";
}

function messageOf(address: string, error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const prefix = `${address}: `;
  return message.startsWith(prefix) ? message.slice(prefix.length) : message;
}
