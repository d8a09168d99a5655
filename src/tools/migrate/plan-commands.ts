import { dirname, join } from "node:path";
import { type Answer, canHandOver, isLeader, type Look } from "../survey.js";
import type { Kind } from "./gate.js";

export interface PlanCommand {
  readonly where: "here" | "member";
  readonly command: string;
  /** What it is for, and what to do when it does not succeed. */
  readonly note: string;
}

export interface PlanOptions {
  readonly target: Kind;
  /** What the commands are given to find the cluster: `/etc/patroni/patroni.yml` or `--addr …`. */
  readonly access: string;
  /** Addresses that the file or the environment names; none where they were given by flags. */
  readonly named: readonly string[];
  /** The members' own configuration on their machines. */
  readonly file: string;
  /** Members that are Patroni itself, whose process keeps a PostgreSQL as well. */
  readonly inPatroni: ReadonlySet<string>;
  /** Between two looks, where it is not the usual. */
  readonly interval: string | null;
}

/** What is done with the member's programs between the two checks. */
interface Change {
  readonly before: readonly PlanCommand[];
  /** To be stopped, in this order. */
  readonly stop: readonly string[];
  readonly start: readonly PlanCommand[];
  /** When the check after the step has said go. */
  readonly after: readonly PlanCommand[];
}

const stopNote =
  "copy its data directory away while it is down, for the case that the new program does not start. Once that has run, never start any program on the copy: it knows nothing of what was promised since";
const startNote =
  "same address, data directory and password. Where it does not start, start the old program again";

/** One member's step, from the check before it to the check after it. */
export function commandsFor(answer: Answer, look: Look, options: PlanOptions): PlanCommand[] {
  const { self } = answer;
  const change = options.inPatroni.has(self) ? patroniChange(self, options) : plainChange(options);
  return [
    ...handOver(answer, look, options),
    check("before", self, options),
    ...change.before,
    ...change.stop.map((program, at) => stop(program, at === change.stop.length - 1)),
    ...change.start,
    check("after", self, options),
    ...change.after,
  ];
}

function handOver(answer: Answer, look: Look, { access }: PlanOptions): PlanCommand[] {
  if (!isLeader(answer) || !canHandOver(answer, look)) return [];
  return [
    {
      where: "here",
      command: `quorate transfer ${transferAccess(access)}`,
      note: "moves the lead away; a refusal says why: try again, the step before it is undone by nothing",
    },
  ];
}

/** `transfer` has no argument for a file. */
function transferAccess(access: string): string {
  return access === "" || access.startsWith("--") ? access : `--config ${access}`;
}

function check(
  when: "before" | "after",
  self: string,
  { access, target, interval }: PlanOptions,
): PlanCommand {
  const back = target === "quorate" ? "" : " --back";
  const looks = interval === null ? "" : ` --interval ${interval}`;
  const notes = {
    before:
      "exit 4: not yet, see the reasons and check again; exit 5: stop, and run `quorate doctor`",
    after:
      "do not touch the next member before this says go. Where `quorate status` shows `refetching` for this one, leave it running: " +
      "PySyncObj would vote with what is left of its files. Otherwise put the old program back. Run `quorate doctor`",
  };
  return {
    where: "here",
    command: `quorate migrate check ${access} --${when} ${self}${back}${looks} --wait 60`,
    note: notes[when],
  };
}

function stop(program: string, isLast: boolean): PlanCommand {
  return {
    where: "member",
    command: `stop \`${program}\` (SIGTERM), and wait until the process has ended`,
    note: isLast ? stopNote : "PostgreSQL goes on, since the cluster is paused",
  };
}

function start(program: string, note = startNote): PlanCommand {
  return { where: "member", command: `start \`${program}\` as the same user`, note };
}

/** A member that is a process of its own. */
function plainChange({ target, file }: PlanOptions): Change {
  const [old, fresh] = [`patroni_raft_controller ${file}`, `quorate run ${file}`];
  const isForth = target === "quorate";
  return {
    before: [],
    stop: [isForth ? old : fresh],
    start: [start(isForth ? fresh : old)],
    after: [],
  };
}

/**
 * Patroni with `raft.self_addr` is a member itself. It goes on as an observer, without the address, and
 * Quorate takes its seat beside it; PostgreSQL is not touched, as long as Patroni is paused meanwhile.
 */
function patroniChange(self: string, { target, file }: PlanOptions): Change {
  const own = join(dirname(file), "quorate.yml");
  const [patroni, quorate] = [`patroni ${file}`, `quorate run ${own}`];
  const pause: PlanCommand = {
    where: "member",
    command: `patronictl -c ${file} pause --wait`,
    note: "PostgreSQL goes on without Patroni; there is no automatic failover until the resume",
  };
  const resume: PlanCommand = {
    where: "member",
    command: `patronictl -c ${file} resume --wait`,
    note: "`patronictl list` has to show the primary and the replicas as before",
  };
  const asObserver = start(patroni, "it finds its PostgreSQL running, and observes the members");
  if (target === "quorate") {
    const copy = "this is Quorate's file from now on: same address, data directory and password";
    return {
      before: [pause, { where: "member", command: `cp -p ${file} ${own}`, note: copy }],
      stop: [patroni],
      start: [start(quorate), edit(file, self, true), asObserver],
      after: [resume],
    };
  }
  return {
    before: [pause],
    stop: [patroni, quorate],
    start: [edit(file, self, false), start(patroni, "it is a member again, on the same files")],
    after: [resume],
  };
}

function edit(file: string, self: string, isForth: boolean): PlanCommand {
  const change = isForth
    ? `take out self_addr, bind_addr and data_dir, and add ${self} to partner_addrs`
    : `put back self_addr, bind_addr and data_dir, and take ${self} out of partner_addrs`;
  return {
    where: "member",
    command: `edit \`${file}\`: in \`raft\` ${change}`,
    note: isForth
      ? "what Quorate's copy has stays as it is there. Variables PATRONI_RAFT_SELF_ADDR, _BIND_ADDR and _DATA_DIR count as well: take them out of Patroni's service"
      : "as they stand in Quorate's copy",
  };
}
