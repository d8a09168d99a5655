import type { startHttpServer } from "../http/server.js";
import type { Logger } from "../logger.js";
import type { Config } from "../node/config-types.js";
import type { MemberHandle, StopReason } from "../node/member-types.js";
import type { CliContext } from "./context.js";
import { exitCode } from "./exit-codes.js";
import { faultName } from "./faults.js";
import { outdatedNodeText } from "./outdated-node.js";

/** By convention a process ends with 128 plus the number of the signal that ended it. */
const signalExitCodes = { SIGINT: 130, SIGTERM: 143 } as const;

type StopSignal = keyof typeof signalExitCodes;

/** Where signals and faults come from: the process, or a stand-in. */
export interface SignalSource {
  on(event: string, listener: (...args: unknown[]) => void): unknown;
  off(event: string, listener: (...args: unknown[]) => void): unknown;
}

export interface RunOptions {
  readonly config: Config;
  readonly logger: Logger;
  readonly signals: SignalSource;
  /** Ends the process at once. */
  exit(code: number): void;
  readonly startMember: CliContext["startMember"];
  readonly startHttp: typeof startHttpServer;
}

/**
 * Runs a member until a signal or a failure stops it.
 *
 * @returns the exit code.
 */
export async function runMember(options: RunOptions): Promise<number> {
  const { config, logger } = options;
  const outdated = outdatedNodeText(process.versions.node);
  if (outdated !== null) logger.warn(outdated, { code: "node-outdated" });
  const watch = watchProcess(options);
  let member: MemberHandle | null = null;
  let http: Awaited<ReturnType<typeof startHttpServer>> | null = null;
  let code: number = exitCode.failed;
  try {
    member = await options.startMember(config, logger, watch.stopping);
    if (config.http !== null && !watch.isStopping()) {
      http = await options.startHttp(member, config.http, logger);
    }
    code = await untilStopped(member, watch, logger);
  } catch (error) {
    logFault(logger, "cannot run", error);
    await member?.stop().catch((fault: unknown) => logFault(logger, "cannot stop", fault));
  } finally {
    await http?.close();
    watch.end();
  }
  return code;
}

async function untilStopped(
  member: MemberHandle,
  watch: ProcessWatch,
  logger: Logger,
): Promise<number> {
  const first = await Promise.race([member.stopped, watch.signal]);
  if (typeof first !== "string") {
    return ending(first, logger);
  }
  logger.info("stopping", { signal: first });
  await member.stop();
  return ending(await member.stopped, logger);
}

function ending(reason: StopReason, logger: Logger): number {
  if (reason.kind === "failed") {
    logFault(logger, "the member failed", reason.error);
    return exitCode.failed;
  }
  logger.info("stopped");
  return exitCode.ok;
}

interface ProcessWatch {
  /** Resolves with the first signal. */
  readonly signal: Promise<StopSignal>;
  /** Aborted by the first signal. */
  readonly stopping: AbortSignal;
  isStopping(): boolean;
  end(): void;
}

function watchProcess({ signals, exit, logger }: RunOptions): ProcessWatch {
  let first: StopSignal | null = null;
  const stopping = new AbortController();
  let resolve: (signal: StopSignal) => void = () => {};
  const signal = new Promise<StopSignal>((settle) => {
    resolve = settle;
  });
  const onSignal = (name: StopSignal) => (): void => {
    if (first !== null) {
      logger.warn("stopped before it was done", { signal: name });
      exit(signalExitCodes[name]);
      return;
    }
    first = name;
    stopping.abort();
    resolve(name);
  };
  const onFault = (error: unknown): void => {
    logFault(logger, "unexpected failure", error);
    exit(exitCode.failed);
  };
  const listeners = [
    ["SIGINT", onSignal("SIGINT")],
    ["SIGTERM", onSignal("SIGTERM")],
    // Service managers send it for a reload, and without a listener it would end the process.
    ["SIGHUP", () => logger.info("SIGHUP is ignored: configuration is read at the start only")],
    ["uncaughtException", onFault],
    ["unhandledRejection", onFault],
  ] as const;
  for (const [event, listener] of listeners) {
    signals.on(event, listener);
  }
  const end = (): void => {
    for (const [event, listener] of listeners) {
      signals.off(event, listener);
    }
  };
  return { signal, stopping: stopping.signal, isStopping: () => first !== null, end };
}

/** One line for the operator; where it came from only for who looks for it. */
function logFault(logger: Logger, what: string, error: unknown): void {
  logger.error(`${what}: ${faultName(error)}`);
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  for (const line of stack.split("\n")) {
    logger.debug(line);
  }
}
