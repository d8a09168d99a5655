import type { PyValue } from "../../protocol/pickle/values.js";
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
  /** Writes results. */
  out(text: string): void;
  /** Writes what is not a result. */
  err(text: string): void;
  sleep(ms: number): Promise<void>;
  startMember(config: Config, logger: Logger): Promise<MemberHandle>;
}
