import { setTimeout as sleep } from "node:timers/promises";
import { CommanderError } from "commander";
import { askUtility } from "../net/utility-client.js";
import { ConfigError } from "../node/config-types.js";
import { quorateVersion } from "../node/version.js";
import type { CliContext } from "./context.js";
import { CliError, exitCode } from "./exit-codes.js";
import { faultName } from "./faults.js";
import { escapeControls } from "./log.js";
import { createProgram } from "./program.js";

/** Runs the command line and sets the exit code of the process. */
export async function main(argv: readonly string[]): Promise<void> {
  // The list of processes shows arguments to everyone; one of them may be the password.
  process.title = "quorate";
  ignoreClosedPipe();
  process.exitCode = await runCommandLine(processContext(), argv);
}

/** @returns the exit code. */
export async function runCommandLine(
  context: CliContext,
  argv: readonly string[],
): Promise<number> {
  let code: number = exitCode.ok;
  const program = createProgram(context, quorateVersion, (result) => {
    code = result;
  });
  try {
    await program.parseAsync(argv);
    return code;
  } catch (error) {
    return reportError(context, error);
  }
}

function reportError(context: CliContext, error: unknown): number {
  if (error instanceof CommanderError) {
    // Commander has said it all; without a command it shows the help as an error.
    return error.exitCode === 0 ? exitCode.ok : exitCode.usage;
  }
  context.err(`quorate: ${escapeControls(faultName(error))}\n`);
  if (error instanceof ConfigError) {
    return exitCode.usage;
  }
  return error instanceof CliError ? error.exitCode : exitCode.failed;
}

function processContext(): CliContext {
  return {
    env: process.env,
    ask: askUtility,
    out: (text) => {
      process.stdout.write(text);
    },
    err: (text) => {
      process.stderr.write(text);
    },
    sleep: async (ms) => {
      await sleep(ms);
    },
    startMember: async (config, logger) => {
      // Loaded when needed: the other commands do without the raft, storage and network houses.
      const { Member } = await import("../node/member.js");
      return await Member.start(config, logger);
    },
  };
}

/** `quorate members | head -1` must not end in an error of the pipe that nobody reads any more. */
function ignoreClosedPipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: Error & { code?: string }) => {
      if (error.code !== "EPIPE") {
        throw error;
      }
    });
  }
}
