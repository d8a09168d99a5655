/** One entry of the replicated log. Upstream's tuple `(command, index, term)`. */
export interface Entry {
  /** Position in the log, from 1, without gaps. */
  readonly index: number;
  /** Term of the leader that appended it. */
  readonly term: number;
  /** First byte: the command type (see commands.ts); the rest: a pickle, or nothing. Never changed. */
  readonly command: Uint8Array;
}
