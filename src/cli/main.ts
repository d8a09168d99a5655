import { statfs } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { CommanderError } from "commander";
import { FilesError } from "../files/files-error.js";
import { askUtility } from "../net/utility-client.js";
import { ConfigError } from "../node/config-types.js";
import { quorateVersion } from "../node/version.js";
import { askYes } from "./ask-yes.js";
import type { CliContext } from "./context.js";
import { escapeControls } from "./escape.js";
import { CliError, exitCode } from "./exit-codes.js";
import { faultName } from "./faults.js";
import { createProgram } from "./program.js";

/** Runs the command line and sets the exit code of the process. */
export async function main(argv: readonly string[]): Promise<void> {
  // The list of processes shows arguments to everyone; one of them may be the password.
  process.title = "quorate";
  ignoreLostOutput();
  process.exitCode = await runCommandLine(processContext(), argv);
}

/** @returns the exit code. */
export async function runCommandLine(
  context: CliContext,
  argv: readonly string[],
): Promise<number> {
  let code: number = exitCode.ok;
  const finish = (result: number): void => {
    code = result;
  };
  try {
    const program = await createProgram(context, quorateVersion, finish, argv[2]);
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
  const isUsage = error instanceof FilesError && error.code === "no-path";
  if (isUsage || error instanceof ConfigError) return exitCode.usage;
  return error instanceof CliError ? error.exitCode : exitCode.failed;
}

/** What the commands have in a process of their own; tests put parts of their own in its place. */
export function processContext(): CliContext {
  return {
    env: process.env,
    ask: askUtility,
    connect: async (options) => {
      const { ObserverClient } = await import("../client/observer-client.js");
      return await ObserverClient.connect(options);
    },
    out: (results) => {
      process.stdout.write(results);
    },
    drained: () => drained(process.stdout),
    confirm,
    stdin: () => text(process.stdin),
    onInterrupt,
    err: (message) => {
      process.stderr.write(message);
    },
    isErrTerminal: process.stderr.isTTY === true,
    sleep: async (ms) => {
      await sleep(ms);
    },
    freeBytes,
    startMember: async (config, logger, signal) => {
      // Loaded when needed: the other commands do without the raft, storage and network houses.
      const { Member } = await import("../node/member.js");
      return await Member.start(config, logger, undefined, signal);
    },
  };
}

async function freeBytes(directory: string): Promise<number> {
  const found = await statfs(directory).catch(() => null);
  // Some file systems of networks and of programs tell nothing but zeros.
  if (found === null || found.blocks === 0) return Number.POSITIVE_INFINITY;
  // Some of it is kept for the superuser.
  return (process.geteuid?.() === 0 ? found.bfree : found.bavail) * found.bsize;
}

async function confirm(question: string): Promise<boolean> {
  if (process.stdin.isTTY !== true) {
    throw new CliError("nobody is there to be asked: --yes says yes to all", {
      code: exitCode.usage,
    });
  }
  return await askYes(question, process.stdin, process.stderr);
}

/** Until the stream takes more, or nobody reads it any more. */
function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (!stream.writableNeedDrain || stream.destroyed) {
      resolve();
      return;
    }
    const settle = (): void => {
      stream.off("drain", settle);
      stream.off("error", settle);
      stream.off("close", settle);
      resolve();
    };
    for (const event of ["drain", "error", "close"] as const) stream.on(event, settle);
  });
}

function onInterrupt(listener: () => void): () => void {
  process.on("SIGINT", listener);
  process.on("SIGTERM", listener);
  process.stdout.on("error", listener);
  return () => {
    process.off("SIGINT", listener);
    process.off("SIGTERM", listener);
    process.stdout.off("error", listener);
  };
}

/**
 * `quorate members | head -1` must not end in an error of the pipe that nobody reads any more; any other fault means
 * that a result is lost. Of messages none ends what is being done: a full disk, a terminal that was closed.
 */
function ignoreLostOutput(): void {
  process.stdout.on("error", (error: Error & { code?: string }) => {
    if (error.code !== "EPIPE") throw error;
  });
  process.stderr.on("error", () => {});
}
