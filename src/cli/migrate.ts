import type { Command } from "commander";
import { examine, lookTwice } from "../tools/doctor/examine.js";
import type { TwoLooks } from "../tools/doctor/looks.js";
import type { Finding } from "../tools/findings.js";
import { type Gate, judge, type Kind, type Step } from "../tools/migrate/gate.js";
import { makePlan, type Plan } from "../tools/migrate/plan.js";
import { askOne } from "./asking.js";
import {
  addClientOptions,
  type Client,
  collect,
  parseAddresses,
  parseSeconds,
  readClient,
} from "./client-options.js";
import type { CliContext } from "./context.js";
import { formatFindings, formatLooks } from "./doctor-report.js";
import { CliError, exitCode } from "./exit-codes.js";
import { registerMigrateFiles } from "./migrate-files.js";

type ClientFlags = Parameters<typeof readClient>[1];
type Flags = ClientFlags & { readonly interval: string; readonly back?: boolean };
type PlanFlags = Flags & { readonly patroni?: readonly string[] };
type CheckFlags = Flags & {
  readonly before?: string;
  readonly after?: string;
  readonly wait: string;
};

const intervalSecDefault = 3;
const betweenChecksMs = 1000;

export function registerMigrate(
  program: Command,
  context: CliContext,
  finish: (code: number) => void,
): void {
  const group = program
    .command("migrate")
    .summary("move a running cluster from PySyncObj to Quorate, and back")
    .description(
      "One member at a time, on the same addresses, files and passwords. `plan` prints the steps with\n" +
        "their commands, `check` says before and after each whether to go on; both only ask the members.\n" +
        "`import` and `export` convert a stopped member's files where that is due.",
    )
    .helpCommand("help [command]", "print help for a command")
    .addHelpText(
      "after",
      "\nExamples:\n  quorate migrate plan /etc/patroni/patroni.yml\n" +
        "  quorate migrate check /etc/patroni/patroni.yml --before 10.0.0.3:2222 --wait 60\n" +
        "  quorate migrate import /var/lib/patroni/raft --dry-run",
    );
  registerPlan(group, context, finish);
  registerCheck(group, context, finish);
  registerMigrateFiles(group, context, finish);
}

function registerPlan(group: Command, context: CliContext, finish: (code: number) => void): void {
  common(group.command("plan"))
    .summary("look at the cluster and print the steps")
    .description(
      "Looks at the live cluster and prints what to do, member by member, the leader last.",
    )
    .option(
      "--patroni <host:port>",
      "a member that is Patroni itself, on the way back too; repeated or comma separated",
      collect,
    )
    .addHelpText(
      "after",
      "\nExit codes: 0 printed; 4 printed, but a member does not answer; 5 printed, but something is going\n" +
        "wrong, which has to be mended first; 1 nobody answered; 2 wrong usage; 130 Ctrl-C.\n" +
        "\nExamples:\n  quorate migrate plan /etc/patroni/raft.yml\n" +
        "  quorate migrate plan /etc/patroni/patroni.yml --patroni 10.0.0.1:2222,10.0.0.2:2222",
    )
    .action(async (path: string | undefined, flags: PlanFlags) => {
      const { client, looks, findings } = await see(context, path, flags);
      const plan = makePlan(looks, {
        target: targetOf(flags),
        access: accessOf(client, path, flags),
        named: flags.addr === undefined ? client.addresses : [],
        file: path ?? flags.config ?? "/etc/patroni/raft.yml",
        inPatroni: patroniMembers(flags, looks),
        interval: flags.interval === String(intervalSecDefault) ? null : flags.interval,
      });
      const ill = findings.filter(({ severity }) => severity === "ill");
      if (client.json) context.out(`${JSON.stringify({ ...plan, ill }, null, 2)}\n`);
      else context.out(formatLooks(looks, findings) + formatPlan(plan, ill));
      if (ill.length > 0) finish(exitCode.harm);
      else finish(plan.silent.length > 0 ? exitCode.risk : exitCode.ok);
    });
}

function registerCheck(group: Command, context: CliContext, finish: (code: number) => void): void {
  common(group.command("check"))
    .summary("say whether a step may be taken, or has succeeded")
    .description(
      "Before a member is stopped (--before) and after it is up again as the other kind (--after).",
    )
    .option("--before <host:port>", "the member that is to be changed next")
    .option("--after <host:port>", "the member that was changed")
    .option("--wait <seconds>", "go on checking for so long while that can change the answer", "0")
    .addHelpText(
      "after",
      "\nExit codes: 0 go on; 4 not yet; 5 stop; 1 nobody answered; 2 wrong usage; 130 Ctrl-C.\n" +
        "\nExample:\n  quorate migrate check /etc/patroni/raft.yml --before 10.0.0.3:2222 --wait 60",
    )
    .action(async (path: string | undefined, flags: CheckFlags) => {
      finish(await check(context, path, flags));
    });
}

function common(command: Command): Command {
  return addClientOptions(command.argument("[patroni.yml]", "in the place of --config"))
    .option("--back", "the other way: from Quorate to PySyncObj")
    .option("--interval <seconds>", "between the two looks", String(intervalSecDefault));
}

/** How the printed commands find the cluster: as this one was told. */
function accessOf(
  { addresses }: Client,
  path: string | undefined,
  { config, passwordFile }: Flags,
): string {
  const given = config === undefined ? `--addr ${addresses.join(",")}` : `--config ${config}`;
  const where = path ?? given;
  return passwordFile === undefined ? where : `${where} --password-file ${passwordFile}`.trim();
}

function patroniMembers({ patroni = [] }: PlanFlags, { after }: TwoLooks): ReadonlySet<string> {
  const named = patroni.length === 0 ? [] : parseAddresses("--patroni", patroni);
  const strangers = named.filter((address) => !after.known.includes(address));
  if (strangers.length > 0) {
    throw new CliError(
      `--patroni ${strangers.join(", ")}: the members are ${after.known.join(", ")}`,
      { code: exitCode.usage },
    );
  }
  return new Set(named);
}

function targetOf({ back }: Flags): Kind {
  return back === true ? "pysyncobj" : "quorate";
}

function stepOf(flags: CheckFlags): Step {
  const { before, after } = flags;
  const member = before ?? after;
  if (member === undefined || (before !== undefined && after !== undefined)) {
    throw new CliError("give either --before or --after, with the member's address", {
      code: exitCode.usage,
    });
  }
  return { member, when: before === undefined ? "after" : "before", target: targetOf(flags) };
}

async function check(
  context: CliContext,
  path: string | undefined,
  flags: CheckFlags,
): Promise<number> {
  const step = stepOf(flags);
  const waitMs = flags.wait === "0" ? 0 : parseSeconds("--wait", flags.wait) * 1000;
  const deadline = performance.now() + waitMs;
  for (;;) {
    const { client, looks, findings } = await see(context, path, flags);
    const gate = judge(looks, findings, step);
    if (gate.answer === "go" || gate.lasts || performance.now() >= deadline) {
      return report(context, client, { gate, step, looks });
    }
    await context.sleep(betweenChecksMs);
  }
}

function report(
  context: CliContext,
  client: Client,
  { gate, step, looks }: { gate: Gate; step: Step; looks: TwoLooks },
): number {
  if (client.json) {
    context.out(`${JSON.stringify({ ...step, ...gate }, null, 2)}\n`);
  } else {
    const what = step.when === "before" ? "may be stopped and changed" : "is changed, and well";
    const words = {
      go: `GO: ${step.member} ${what}`,
      wait: `WAIT: not yet, ${step.when} the change of ${step.member}`,
      stop: `STOP: something is wrong, ${step.when} the change of ${step.member}`,
    };
    if (gate.lasts && gate.answer === "wait") {
      words.wait = `WAIT: waiting does not change this, a person has to look at it, ${step.when} the change of ${step.member}`;
    }
    const table = formatLooks(looks, []).split("\n").slice(1).join("\n");
    const isStop = gate.answer === "stop" && gate.lasts;
    const lasts = isStop ? "Waiting does not change this: a person has to look at it.\n" : "";
    context.out(`${words[gate.answer]}\n${lasts}${table}${formatFindings(gate.reasons)}`);
  }
  return { go: exitCode.ok, wait: exitCode.risk, stop: exitCode.harm }[gate.answer];
}

async function see(
  context: CliContext,
  path: string | undefined,
  flags: Flags,
): Promise<{ client: Client; looks: TwoLooks; findings: readonly Finding[] }> {
  const client = readClient(context, path === undefined ? flags : { ...flags, config: path });
  const looks = await lookTwice({
    ask: (address, request) => askOne(context, client, address, request),
    addresses: client.addresses,
    intervalSec: parseSeconds("--interval", flags.interval),
    sleep: (ms) => context.sleep(ms),
  });
  if (looks.after.answers.length === 0) {
    const faults = looks.after.silences.map(({ address, message }) => `${address}: ${message}`);
    throw new CliError(`no member answered: ${faults.join("; ")}`);
  }
  return { client, looks, findings: examine(looks) };
}

function formatPlan(plan: Plan, ill: readonly Finding[]): string {
  const name = plan.target === "quorate" ? "Quorate" : "PySyncObj";
  const lines = [
    "",
    ...(ill.length > 0 ? ["First mend what is ill; do not begin before.", ""] : []),
    ...plan.warnings.map((warning) => `Note: ${warning}.`),
    ...plan.done.map((member) => `${member} runs ${name} already.`),
    ...plan.silent.map(
      (member) =>
        `${member} does not answer: what it runs is not known. Start it, and print this again.`,
    ),
    ...(plan.steps.length === 0 && plan.silent.length === 0
      ? [`Nothing to do: all members run ${name}.`]
      : []),
  ];
  plan.steps.forEach(({ member, runs, leads, isPatroni, commands }, at) => {
    const beside = isPatroni ? ", Patroni's" : "";
    lines.push("", `STEP ${at + 1}: ${member} (${runs}${beside}${leads ? ", leads now" : ""})`);
    commands.forEach(({ where, command, note }, each) => {
      const place = where === "here" ? "" : "on its machine: ";
      lines.push(`  ${at + 1}.${each + 1}  ${place}${command}`, `       ${note}`);
    });
  });
  if (plan.steps.length > 0) {
    lines.push("", "The lead moves meanwhile: print the plan again after each step.");
  }
  return `${lines.join("\n")}\n`;
}
