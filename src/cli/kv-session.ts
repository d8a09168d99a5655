import type { Command } from "commander";
import type { ObserverClient } from "../client/observer-client.js";
import type { WriteFailure, WriteOutcome } from "../node/write-outcome.js";
import { addClientOptions, type Client, readClient } from "./client-options.js";
import type { CliContext } from "./context.js";
import { escapeControls } from "./escape.js";
import { CliError, exitCode } from "./exit-codes.js";

/** Between two attempts of a write that was not done: an election takes about this long. */
const retryMs = 250;

export type ClientFlags = Parameters<typeof readClient>[1];

/** What a command under `kv` works with. */
export interface KvSession {
  readonly context: CliContext;
  readonly options: Client;
  readonly client: ObserverClient;
}

/** Connects, runs, and closes whatever happens. */
export async function withClient(
  context: CliContext,
  flags: ClientFlags,
  run: (session: KvSession) => Promise<number>,
): Promise<number> {
  const options = readClient(context, flags);
  const { json: _, ...cluster } = options;
  const client = await context
    .connect({ ...cluster, connectTimeoutMs: options.timeoutMs })
    .catch((error: unknown) => {
      const said = error instanceof Error ? error.message : String(error);
      const next =
        "nothing was changed; `quorate doctor`, asked in the same way, says what is wrong";
      throw new CliError(`${said}: ${next}`, { cause: error });
    });
  try {
    return await run({ context, options, client });
  } finally {
    await client.close();
  }
}

/**
 * Makes a write, again as long as it is certain that it is not done and there is time.
 *
 * @throws CliError with an exit code that tells "not done" from "may be done".
 */
export async function write<T>(
  session: KvSession,
  attempt: (timeoutMs: number) => Promise<WriteOutcome<T>>,
): Promise<{ readonly result: T; readonly index: number }> {
  const { context, options, client } = session;
  const deadline = performance.now() + options.timeoutMs;
  let isStopped = false;
  const unhook = context.onInterrupt(() => {
    isStopped = true;
    void client.close();
  });
  try {
    for (;;) {
      const outcome = await attempt(Math.max(1, deadline - performance.now()));
      if (outcome.ok) return outcome;
      if (isStopped) throw stopped(outcome);
      const isOver = performance.now() + retryMs >= deadline;
      if (outcome.mayBeDone || outcome.reason === "REQUEST_DENIED" || isOver) {
        throw asCliError(outcome);
      }
      await context.sleep(retryMs);
    }
  } finally {
    unhook();
  }
}

function verdictOn({ mayBeDone }: WriteFailure): string {
  return mayBeDone ? "the write may be done or not, look before trying again" : "not done";
}

function stopped(failure: WriteFailure): CliError {
  return new CliError(`stopped: ${verdictOn(failure)}`, { code: exitCode.interrupted });
}

function asCliError(failure: WriteFailure): CliError {
  return new CliError(`${failure.reason}: ${failure.message}: ${verdictOn(failure)}`, {
    code: failure.mayBeDone ? exitCode.unknown : exitCode.failed,
  });
}

/** A command under `kv`, with the options that all have. */
export function kvCommand(
  group: Command,
  spec: {
    readonly name: string;
    readonly summary: string;
    readonly description: string;
    readonly exits: string;
  },
): Command {
  const command = group.command(spec.name).summary(spec.summary).description(spec.description);
  return addClientOptions(command).addHelpText("after", `\nExit codes: ${spec.exits}.`);
}

/** A value on a terminal: line ends and control characters as they would be written in JSON. */
export function showValue(value: unknown): string {
  return escapeControls(typeof value === "string" ? value : JSON.stringify(value));
}

export function printJson(context: CliContext, value: unknown): void {
  context.out(`${JSON.stringify(value, null, 2)}\n`);
}
