import { Command } from "commander";
import type { CliContext } from "./context.js";
import { exitCodeHelp } from "./exit-codes.js";

type Register = (program: Command, context: CliContext, finish: (code: number) => void) => void;

/** In the order in which the help lists them. Each is loaded when it is wanted: all of them take 0.1 s. */
const commands: Readonly<Record<string, () => Promise<Register>>> = {
  run: async () => (await import("./run.js")).registerRun,
  status: async () => (await import("./status.js")).registerStatus,
  members: async () => (await import("./members.js")).registerMembers,
  add: async () => (await import("./add.js")).registerAdd,
  remove: async () => (await import("./remove.js")).registerRemove,
  transfer: async () => (await import("./transfer.js")).registerTransfer,
  "set-version": async () => (await import("./set-version.js")).registerSetVersion,
  kv: async () => (await import("./kv.js")).registerKv,
  doctor: async () => (await import("./doctor.js")).registerDoctor,
  migrate: async () => (await import("./migrate.js")).registerMigrate,
  inspect: async () => (await import("./inspect.js")).registerInspect,
  verify: async () => (await import("./verify.js")).registerVerify,
  repair: async () => (await import("./repair.js")).registerRepair,
  backup: async () => (await import("./backup.js")).registerBackup,
  restore: async () => (await import("./restore.js")).registerRestore,
  recover: async () => (await import("./recover.js")).registerRecover,
  "reset-member": async () => (await import("./reset-member.js")).registerResetMember,
};

const description = `A crash-safe member for the raft clusters that Patroni runs on PySyncObj, and commands for
such clusters and for their members' files: they work with Quorate's members and with PySyncObj's.`;

/**
 * The command line; `finish` takes the exit code of the command that ran.
 *
 * @param name The only command that is asked for; all of them where it is none.
 */
export async function createProgram(
  context: CliContext,
  version: string,
  finish: (code: number) => void,
  name?: string,
): Promise<Command> {
  const program = new Command("quorate")
    .description(description)
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .helpCommand("help [command]", "print help for a command")
    .exitOverride()
    .configureHelp({ helpWidth: 100 })
    .configureOutput({
      writeOut: (text) => context.out(text),
      writeErr: (text) => context.err(text),
      outputError: (text, write) => write(`quorate: ${withoutValues(text)}`),
    })
    .addHelpText("after", exitCodeHelp);
  const named = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined;
  const wanted = named === undefined ? Object.values(commands) : [named];
  for (const load of wanted) {
    const register = await load();
    register(program, context, finish);
  }
  return program;
}

/** A mistyped `--pasword=…` must not show what it was given. */
function withoutValues(message: string): string {
  return message.replace(/^error: /, "").replace(/'(--[A-Za-z0-9-]+)=.*'/s, "'$1'");
}
