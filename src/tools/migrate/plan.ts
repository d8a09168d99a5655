import type { TwoLooks } from "../doctor/looks.js";
import { type Answer, isLeader } from "../survey.js";
import type { Kind } from "./gate.js";

export interface PlanStep {
  readonly member: string;
  readonly runs: string;
  readonly leads: boolean;
  /** To be done in this order; what begins with `quorate` runs here, the rest on the member's machine. */
  readonly commands: readonly PlanCommand[];
}

export interface PlanCommand {
  readonly where: "here" | "member";
  readonly command: string;
  /** What it is for, and what to do when it does not succeed. */
  readonly note: string;
}

export interface Plan {
  readonly target: Kind;
  readonly done: readonly string[];
  readonly steps: readonly PlanStep[];
  /** Members that did not answer: nobody knows whether a step is due there. */
  readonly silent: readonly string[];
  readonly warnings: readonly string[];
}

export interface PlanOptions {
  readonly target: Kind;
  /** What the commands are given to find the cluster: `/etc/patroni/patroni.yml` or `--addr …`. */
  readonly access: string;
  /** The members' own configuration on their machines. */
  readonly file: string;
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
    steps: inOrder.map((answer) => stepFor(answer, options)),
    warnings: warningsOf(after.answers, options),
  };
}

function stepFor(answer: Answer, options: PlanOptions): PlanStep {
  const { self } = answer;
  const back = options.target === "quorate" ? "" : " --back";
  const check = (when: string) =>
    `quorate migrate check ${options.access} --${when} ${self}${back} --wait 60`;
  const programs = {
    pysyncobj: `patroni_raft_controller ${options.file}`,
    quorate: `quorate run ${options.file}`,
  };
  const [old, fresh] =
    options.target === "quorate"
      ? [programs.pysyncobj, programs.quorate]
      : [programs.quorate, programs.pysyncobj];
  const handOver: PlanCommand = {
    where: "here",
    command: `quorate transfer ${transferAccess(options.access)}`,
    note: "moves the lead away; a refusal says why: try again, the step before it is undone by nothing",
  };
  return {
    member: self,
    runs: answer.software.name,
    leads: isLeader(answer),
    commands: [
      ...(isLeader(answer) && answer.software.knowsTransfer ? [handOver] : []),
      {
        where: "here",
        command: check("before"),
        note: "exit 4: not yet, see the reasons and check again; exit 5: stop, and run `quorate doctor`",
      },
      {
        where: "member",
        command: `stop \`${old}\` (SIGTERM), and wait until the process has ended`,
        note: "copy its data directory away while it is down, for the case that the new program does not start. Once that has run, never start any program on the copy: it knows nothing of what was promised since",
      },
      {
        where: "member",
        command: `start \`${fresh}\` as the same user`,
        note: "same address, data directory and password. Where it does not start, start the old program again",
      },
      {
        where: "here",
        command: check("after"),
        note: "do not touch the next member before this says go. Where it does not: put the old program back, and run `quorate doctor`",
      },
    ],
  };
}

/** `transfer` has no argument for a file. */
function transferAccess(access: string): string {
  return access === "" || access.startsWith("--") ? access : `--config ${access}`;
}

function warningsOf(answers: readonly Answer[], { target }: PlanOptions): string[] {
  const warnings: string[] = [];
  const leader = answers.find(isLeader);
  if (answers.length < 3) {
    warnings.push("fewer than three members: nothing can be written while one of them is changed");
  }
  if (target === "quorate" && leader !== undefined && !leader.software.knowsTransfer) {
    warnings.push(
      `the leader ${leader.self} (${leader.software.name}) cannot hand leadership over: stopping it costs one election, 0.4 to 1.4 s as a rule, in which writes are refused`,
    );
  }
  if (target === "pysyncobj") {
    warnings.push(
      "members of PySyncObj up to 0.3.15 forget term and vote at each restart, and 0.3.16 and 0.3.17 sync nothing: what Quorate promises ends with the second member that goes back",
    );
  }
  return warnings;
}
