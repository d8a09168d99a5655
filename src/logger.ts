/** Structured fields that go beside a log message. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** What every house may say; the command line decides where it goes (see cli/log.ts). */
export interface Logger {
  /** What needs an operator. */
  error(message: string, fields?: LogFields): void;
  /** What an operator should know of. */
  warn(message: string, fields?: LogFields): void;
  /** Starts, stops and changes of role. */
  info(message: string, fields?: LogFields): void;
  /** What helps to find a fault. */
  debug(message: string, fields?: LogFields): void;
}

/** For tests and for embedding: says nothing. */
export const silentLogger: Logger = {
  error() {},
  warn() {},
  info() {},
  debug() {},
};
