import { Command } from "commander";
import { registerAdd } from "./add.js";
import { registerBackup } from "./backup.js";
import type { CliContext } from "./context.js";
import { registerDoctor } from "./doctor.js";
import { exitCodeHelp } from "./exit-codes.js";
import { registerInspect } from "./inspect.js";
import { registerKv } from "./kv.js";
import { registerMembers } from "./members.js";
import { registerMigrate } from "./migrate.js";
import { registerRecover } from "./recover.js";
import { registerRemove } from "./remove.js";
import { registerRepair } from "./repair.js";
import { registerResetMember } from "./reset-member.js";
import { registerRestore } from "./restore.js";
import { registerRun } from "./run.js";
import { registerSetVersion } from "./set-version.js";
import { registerStatus } from "./status.js";
import { registerTransfer } from "./transfer.js";
import { registerVerify } from "./verify.js";

const description = `A crash-safe member for the raft clusters that Patroni runs on PySyncObj, and commands for
such clusters and for their members' files: they work with Quorate's members and with PySyncObj's.`;

/** The command line; `finish` takes the exit code of the command that ran. */
export function createProgram(
  context: CliContext,
  version: string,
  finish: (code: number) => void,
): Command {
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
  registerRun(program, context, finish);
  registerStatus(program, context, finish);
  registerMembers(program, context, finish);
  registerAdd(program, context, finish);
  registerRemove(program, context, finish);
  registerTransfer(program, context, finish);
  registerSetVersion(program, context, finish);
  registerKv(program, context, finish);
  registerDoctor(program, context, finish);
  registerMigrate(program, context, finish);
  registerInspect(program, context, finish);
  registerVerify(program, context, finish);
  registerRepair(program, context, finish);
  registerBackup(program, context, finish);
  registerRestore(program, context, finish);
  registerRecover(program, context, finish);
  registerResetMember(program, context, finish);
  return program;
}

/** A mistyped `--pasword=…` must not show what it was given. */
function withoutValues(message: string): string {
  return message.replace(/^error: /, "").replace(/'(--[A-Za-z0-9-]+)=.*'/s, "'$1'");
}
