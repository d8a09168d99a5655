/** What the process ends with; part of the interface, so that scripts can rely on it. */
export const exitCode = {
  ok: 0,
  /** The cluster refused, nobody answered, or the member failed. */
  failed: 1,
  /** The command line or the configuration cannot be used; nothing was done. */
  usage: 2,
  /** A write may be done or not: its outcome was lost with the leader. */
  unknown: 3,
  /** It looked, and what it looked at works but is at risk; or is not ready yet. */
  risk: 4,
  /** It looked, and what it looked at is damaged or going wrong. */
  harm: 5,
  /** Ctrl-C ended a command before its end, without harm. */
  interrupted: 130,
} as const;

export const exitCodeHelp = `
Exit codes: 0 done; 1 refused, failed or nobody answered; 2 wrong usage or configuration; 3 a write
may be done or not; 4 looked and found a risk, or something that is not ready yet; 5 looked and
found damage or harm; 130 ended by Ctrl-C, without harm.
A member that a second SIGINT or SIGTERM interrupts while stopping ends with 130 or 143.
`;

export interface CliErrorOptions {
  /** What the process ends with; `failed` where not given. */
  readonly code?: number;
  readonly cause?: unknown;
}

/** An end of a command that the operator should read as one line, without a stack trace. */
export class CliError extends Error {
  readonly exitCode: number;

  constructor(message: string, options: CliErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.name = "CliError";
    this.exitCode = options.code ?? exitCode.failed;
  }
}
