import type { TwoLooks } from "../doctor/looks.js";
import { listed } from "../findings.js";
import { type Answer, canHandOver, isLeader, type Look, leaderOf } from "../survey.js";
import type { Kind } from "./gate.js";
import { commandsFor, type PlanCommand, type PlanOptions } from "./plan-commands.js";

export interface PlanStep {
  readonly member: string;
  readonly runs: string;
  readonly leads: boolean;
  /** The member is, or was, Patroni itself. */
  readonly isPatroni: boolean;
  /** To be done in this order; what begins with `quorate` runs here, the rest on the member's machine. */
  readonly commands: readonly PlanCommand[];
}

export interface Plan {
  readonly target: Kind;
  readonly done: readonly string[];
  readonly steps: readonly PlanStep[];
  /** Members that did not answer: nobody knows whether a step is due there. */
  readonly silent: readonly string[];
  readonly warnings: readonly string[];
}

/** Followers first, in order of address, the leader last. */
export function makePlan({ after }: TwoLooks, options: PlanOptions): Plan {
  const { target } = options;
  const open = after.answers.filter(({ software }) => software.kind !== target);
  const inOrder = [...open].sort((a, b) => Number(isLeader(a)) - Number(isLeader(b)));
  return {
    target,
    done: after.answers.filter((answer) => answer.software.kind === target).map(({ self }) => self),
    silent: after.silences.map(({ address }) => address),
    steps: inOrder.map((answer) => stepFor(answer, after, options)),
    warnings: warningsOf(after, options),
  };
}

function stepFor(answer: Answer, look: Look, options: PlanOptions): PlanStep {
  return {
    member: answer.self,
    runs: answer.software.name,
    leads: isLeader(answer),
    isPatroni: options.inPatroni.has(answer.self),
    commands: commandsFor(answer, look, options),
  };
}

function warningsOf(look: Look, { target, inPatroni, named }: PlanOptions): string[] {
  const warnings: string[] = [];
  const strangers = named.filter((address) => !look.known.includes(address));
  if (strangers.length > 0) {
    warnings.push(
      `the members do not know ${listed(strangers)}, which your configuration names: a member's name counts letter by letter, and one that starts as \`raft.self_addr\` under another name is a new member without data. They are ${listed(look.known)}`,
    );
  }
  const leader = leaderOf(look);
  if (look.answers.length < 3) {
    const answering = look.answers.length;
    warnings.push(
      `${answering === 1 ? "only one member answers" : "only two members answer"}: nothing can be written while one of them is changed`,
    );
  }
  if (inPatroni.size === 0) {
    warnings.push(
      "a member that is Patroni itself (the file with its PostgreSQL has `raft.self_addr`) has other steps: name those with --patroni host:port",
    );
  }
  if (leader !== null && leader.software.kind !== target && !canHandOver(leader, look)) {
    const { self, software } = leader;
    const why = software.knowsTransfer
      ? "has nobody to hand leadership over to, since the others do not know how"
      : "cannot hand leadership over";
    warnings.push(
      `the leader ${self} (${software.name}) ${why}: stopping it costs one election, 0.4 to 1.4 s as a rule, in which writes are refused`,
    );
  }
  const forgetful = look.answers.filter(({ software }) => software.durability === "forgets");
  if (target === "quorate" && forgetful.length > 0) {
    const names = listed(forgetful.map(({ self }) => self));
    warnings.push(
      `${names} may have been in a cluster that forgot its term, which no status shows: before the first step see with \`quorate verify DIR\` on their machines that no entry was left out and no term goes down in the log, and with \`quorate doctor DIR DIR DIR\` on copies of the directories that they hold the same. Where a term goes down, do not go step by step: take \`quorate backup\`, stop all members, and start all of them as Quorate (docs/migration.md)`,
    );
  }
  if (target === "pysyncobj") {
    warnings.push(
      "members of PySyncObj up to 0.3.15 forget term and vote at each restart, and 0.3.16 and 0.3.17 sync nothing: what Quorate promises ends with the second member that goes back",
    );
  }
  return warnings;
}
