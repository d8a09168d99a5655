import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { quorateCli } from "./quorate-cli.js";

/** What `quorate migrate plan --json` says of one step. */
interface PrintedStep {
  readonly member: string;
  readonly commands: readonly { readonly where: string; readonly command: string }[];
}

/** The machine of one member, on which a person would do what is printed. */
export interface Machine {
  /** The member's configuration, in the place of the one that the plan names. */
  readonly file: string;
  /** `patroni`, `patroni_raft_controller` or `quorate run`, with its file. */
  start(program: string, file: string): Promise<void>;
  stop(program: string): Promise<void>;
  /** `raft.self_addr` and its like taken out of Patroni's file, or put back. */
  edit(isObserver: boolean): void;
  patronictl(args: readonly string[]): Promise<unknown>;
}

export interface FollowOptions {
  /** After `migrate plan`. */
  readonly args: readonly string[];
  /** The file that is given to it. */
  readonly file: string;
  readonly machines: ReadonlyMap<string, Machine>;
  readonly note: (line: string) => void;
  /** How an administrator does it otherwise; absent: as it is printed. */
  readonly mistake?: Mistake;
}

/** `no-pause`: Patroni is never paused; `two-at-once`: the second member is down with the first one. */
export const mistakes = ["no-pause", "two-at-once"] as const;
export type Mistake = (typeof mistakes)[number];

/** Longer than any election takes. */
const bothDownMs = 12_000;

/** Prints the plan, follows its first step, and prints it again, until nothing is left. */
export async function followPlan(options: FollowOptions): Promise<readonly string[]> {
  const changed: string[] = [];
  for (;;) {
    options.note("quorate migrate plan");
    const { code, out, err } = await quorateCli(["migrate", "plan", ...options.args, "--json"]);
    assert.equal(code, 0, `${out}${err}`);
    const steps = JSON.parse(out).steps as readonly PrintedStep[];
    const [step] = steps;
    if (step === undefined) return changed;
    const machine = options.machines.get(step.member);
    assert.ok(machine !== undefined, step.member);
    for (const { command } of step.commands) {
      if (options.mistake === "no-pause" && command.startsWith("patronictl")) continue;
      options.note(`${step.member}  ${command}`);
      await carryOut(command, machine, options.file);
      if (options.mistake !== "two-at-once" || changed.length > 0) continue;
      if (stopPattern.test(command)) await interrupt(steps[1], options);
    }
    changed.push(step.member);
  }
}

const programs = "(patroni|patroni_raft_controller|quorate run)";
const startPattern = new RegExp(`^start \`${programs} (\\S+)\` as the same user$`);
const stopPattern = new RegExp(`^stop \`${programs} \\S+\` \\(SIGTERM\\), and wait`);

/** Stops the member of another step as well, and starts it again. */
async function interrupt(step: PrintedStep | undefined, options: FollowOptions): Promise<void> {
  const machine = options.machines.get(step?.member ?? "");
  const stops = step?.commands.flatMap(({ command }) => stopPattern.exec(command)?.[1] ?? []);
  const [program] = stops ?? [];
  assert.ok(machine !== undefined && program !== undefined);
  options.note(`${step?.member}  a mistake: ${program} is stopped at the same time`);
  await machine.stop(program);
  await sleep(bothDownMs);
  await machine.start(program, machine.file);
}

async function carryOut(command: string, machine: Machine, file: string): Promise<void> {
  const here = (path = "") =>
    path === file ? machine.file : path.replace(dirname(file), dirname(machine.file));
  const [program, ...words] = command.split(" ");
  const started = startPattern.exec(command);
  const stopped = stopPattern.exec(command);
  if (program === "quorate") {
    const { code, out, err } = await quorateCli(words);
    assert.equal(code, 0, `${command}\n${out}${err}`);
  } else if (started !== null) {
    await machine.start(started[1] ?? "", here(started[2]));
  } else if (stopped !== null) {
    await machine.stop(stopped[1] ?? "");
  } else if (program === "patronictl") {
    assert.deepEqual(words.slice(0, 2), ["-c", file]);
    await machine.patronictl(words.slice(2));
  } else if (program === "cp") {
    execFileSync(
      "cp",
      words.map((word) => (word.startsWith("-") ? word : here(word))),
    );
  } else if (program === "edit") {
    machine.edit(/take out self_addr/.test(command));
  } else {
    assert.fail(`nobody knows how to do this: ${command}`);
  }
}
