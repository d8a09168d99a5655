import type { PyValue } from "../../protocol/pickle/values.js";
import type { ObserverClient } from "../client/observer-client.js";
import type { ConnectOptions } from "../client/observer-types.js";
import type { Logger } from "../logger.js";
import type { Config, ConfigSources } from "../node/config-types.js";
import type { MemberHandle } from "../node/member-types.js";

export interface AskOptions {
  readonly password?: string;
  readonly timeoutMs: number;
}

/** Sends one utility request to one member and waits for its answer; see net/utility-client.ts. */
export type Ask = (
  address: string,
  request: readonly PyValue[],
  options: AskOptions,
) => Promise<PyValue>;

/** What the commands need from outside: tests put something else in its place. */
export interface CliContext {
  readonly env: ConfigSources["env"];
  readonly ask: Ask;
  /** An observer of the cluster; see client/observer-client.ts. */
  connect(options: ConnectOptions): Promise<ObserverClient>;
  /** Writes results. */
  out(text: string): void;
  /** Resolves when the reader of the results has taken most of them. */
  drained(): Promise<void>;
  /**
   * Asks the person at the terminal; false for anything but yes.
   *
   * @throws CliError where there is nobody.
   */
  confirm(question: string): Promise<boolean>;
  /** All of standard input, as UTF-8. */
  stdin(): Promise<string>;
  /** Calls back at Ctrl-C and SIGTERM, and when nobody reads the results any more; returns its end. */
  onInterrupt(listener: () => void): () => void;
  /** Writes what is not a result. */
  err(text: string): void;
  /** Whether somebody watches that on a terminal: progress is shown to people only. */
  readonly isErrTerminal: boolean;
  sleep(ms: number): Promise<void>;
  /** What the file system of this directory has left for this user; infinite where it does not say. */
  freeBytes(directory: string): Promise<number>;
  /** @param signal Ends a start that waits, as on a full disk. */
  startMember(config: Config, logger: Logger, signal: AbortSignal): Promise<MemberHandle>;
}
